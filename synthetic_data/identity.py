"""Who a firm is on paper: a code that is valid but was never issued, and an invented name.

The unified social credit code (GB 32100-2015) passes every check, yet cannot belong to anybody:
its place of registration is the province's number followed by 9999, which GB/T 2260 never assigned.
"""

from synthetic_data.draws import Ints

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
UNASSIGNED_PLACE = "9999"
_WEIGHTS = [pow(3, i, 31) for i in range(17)]
_BODY_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_VALUE = {character: i for i, character in enumerate(ALPHABET)}
_BODIES = 31**6
_SCATTER = 274_876_859  # coprime to 31: neighbours get codes that do not look alike

PROVINCES = {
    "11": "北京", "12": "天津", "13": "河北", "14": "山西", "15": "内蒙古", "21": "辽宁",
    "22": "吉林", "23": "黑龙江", "31": "上海", "32": "江苏", "33": "浙江", "34": "安徽",
    "35": "福建", "36": "江西", "37": "山东", "41": "河南", "42": "湖北", "43": "湖南",
    "44": "广东", "45": "广西", "46": "海南", "50": "重庆", "51": "四川", "52": "贵州",
    "53": "云南", "54": "西藏", "61": "陕西", "62": "甘肃", "63": "青海", "64": "宁夏",
    "65": "新疆",
}  # fmt: skip

TRADES: dict[str, tuple[tuple[str, str], ...]] = {
    "B": (("1019", "矿业"),),
    "C": (("1781", "无纺布"), ("2770", "卫生材料"), ("3311", "金属结构"), ("3484", "机械配件"),
          ("1819", "服饰"), ("2926", "塑料包装")),
    "D": (("4430", "热力"), ("4416", "光伏发电")),
    "E": (("4710", "建筑工程"), ("4910", "电气安装"), ("5011", "装饰工程")),
    "F": (("5164", "金属贸易"), ("5165", "建材"), ("5169", "化工贸易"), ("5211", "百货"),
          ("5212", "超市"), ("5174", "五金")),
    "G": (("5431", "运输"),),
    "H": (("6210", "餐饮"), ("6220", "快餐"), ("6110", "酒店")),
    "I": (("6513", "软件"), ("6531", "信息技术")),
    "K": (("7020", "物业服务"), ("7030", "房产经纪")),
    "L": (("7241", "税务咨询"), ("7259", "广告"), ("7263", "人力资源")),
    "M": (("7320", "技术研究"), ("7519", "科技")),
    "O": (("8111", "汽车维修"), ("8211", "清洁服务")),
    "R": (("8930", "健身"), ("8810", "文化艺术")),
}  # fmt: skip
"""Sector -> its industry classes (GB/T 4754-2017) and the word of the trade in a firm's name."""

_FIRST = "岚沐昱蔚泽翎霁澄朔砚珩鹭桐骁岑蓟澜樾璟煦翊峤洵棠"
_SECOND = "禾屿朗柯祺舟宸葳垚榕屹川骅沅楷萱坤霖昊瑭泓茗钧黎"
_THIRD = "达源丰和通盛泰信隆嘉"


def uscc(province: str, number: int) -> str:
    """A unified social credit code that is valid and fictional.

    `province` is its GB/T 2260 number (two digits); `number` tells firms apart, 0 to 31**6 - 1.
    """
    scattered = number * _SCATTER % _BODIES
    body = ""
    for _ in range(6):
        scattered, digit = divmod(scattered, 31)
        body += ALPHABET[digit]
    body = "MA" + body
    total = sum(w * int(c, 36) for w, c in zip(_BODY_WEIGHTS, body, strict=True))
    code = f"91{province}{UNASSIGNED_PLACE}{body}" + "0123456789X0"[11 - total % 11]
    checked = sum(w * _VALUE[c] for w, c in zip(_WEIGHTS, code, strict=True))
    return code + ALPHABET[-checked % 31]


def name(province: str, trade: str, syllables: Ints) -> str:
    """An invented name: region, three syllables, trade, 有限公司."""
    first, second, third = (int(i) for i in syllables)
    brand = _FIRST[first % 24] + _SECOND[second % 24] + _THIRD[third % 10]
    return f"{PROVINCES[province]}{brand}{trade}有限公司"
