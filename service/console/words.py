"""Words of the console in Chinese and English: what codes, units and requirements are called."""

from collections.abc import Mapping
from typing import Any

from model.features import DIMENSIONS, FEATURES, SOURCE_LABELS
from model.reasons import said
from service.eligibility import Refusal
from service.limit import LABELS as CAPS

VERDICTS = {
    "approve": ("批准", "Approved"), "refer": ("转人工", "Referred"),
    "decline": ("拒绝", "Declined"),
}  # fmt: skip
PURPOSES = {
    "working_capital": ("流动资金", "working capital"), "equipment": ("设备", "equipment"),
    "inventory": ("备货", "inventory"), "epidemic_supplies": ("防疫物资", "epidemic supplies"),
    "other": ("其他", "other"),
}  # fmt: skip
REPAYMENTS = {
    "equal_instalment": ("等额本息", "equal instalments"),
    "equal_principal": ("等额本金", "equal principal"),
    "interest_first": ("先息后本", "interest first"),
}
PRICE_PARTS = {
    "lpr": ("LPR", "LPR"), "funding": ("资金成本", "funding"),
    "operating": ("运营成本", "operating"),
    "expected_loss": ("预期损失", "expected loss"), "capital": ("资本成本", "capital"),
    "margin": ("利润", "margin"), "band": ("产品利率区间", "product band"),
}  # fmt: skip
SECTORS = {
    "A": ("农林牧渔", "Farming, forestry, fishing"), "B": ("采矿", "Mining"),
    "C": ("制造", "Manufacturing"), "D": ("电力燃气水", "Power, gas, water"),
    "E": ("建筑", "Construction"), "F": ("批发零售", "Wholesale and retail"),
    "G": ("交通仓储邮政", "Transport, storage, post"), "H": ("住宿餐饮", "Hotels and catering"),
    "I": ("信息软件", "Information and software"), "J": ("金融", "Finance"),
    "K": ("房地产", "Real estate"), "L": ("租赁商务服务", "Leasing and business services"),
    "M": ("科研技术服务", "Research and technical services"),
    "N": ("水利环境公共设施", "Water, environment, public facilities"),
    "O": ("居民服务", "Resident services"), "P": ("教育", "Education"),
    "Q": ("卫生社会工作", "Health and social work"),
    "R": ("文化体育娱乐", "Culture, sport, leisure"),
    "S": ("公共管理", "Public administration"), "T": ("国际组织", "International organisations"),
}  # fmt: skip
"""Sections of GB/T 4754-2017."""
PROVINCES = {
    "11": ("北京", "Beijing"), "12": ("天津", "Tianjin"), "13": ("河北", "Hebei"),
    "14": ("山西", "Shanxi"), "15": ("内蒙古", "Inner Mongolia"), "21": ("辽宁", "Liaoning"),
    "22": ("吉林", "Jilin"), "23": ("黑龙江", "Heilongjiang"), "31": ("上海", "Shanghai"),
    "32": ("江苏", "Jiangsu"), "33": ("浙江", "Zhejiang"), "34": ("安徽", "Anhui"),
    "35": ("福建", "Fujian"), "36": ("江西", "Jiangxi"), "37": ("山东", "Shandong"),
    "41": ("河南", "Henan"), "42": ("湖北", "Hubei"), "43": ("湖南", "Hunan"),
    "44": ("广东", "Guangdong"), "45": ("广西", "Guangxi"), "46": ("海南", "Hainan"),
    "50": ("重庆", "Chongqing"), "51": ("四川", "Sichuan"), "52": ("贵州", "Guizhou"),
    "53": ("云南", "Yunnan"), "54": ("西藏", "Tibet"), "61": ("陕西", "Shaanxi"),
    "62": ("甘肃", "Gansu"), "63": ("青海", "Qinghai"), "64": ("宁夏", "Ningxia"),
    "65": ("新疆", "Xinjiang"),
}  # fmt: skip
"""Provinces of GB/T 2260."""
_ASKED = {
    "purpose": ("用途", "purpose"), "tenor": ("期限", "tenor"), "grade": ("信用等级", "grade"),
    "amount": ("金额", "amount"), "source": ("数据来源", "source"),
}  # fmt: skip
_UNITS = {"tenor": "months", "amount": "yuan"}
_FEATURES = {feature.name: feature for feature in FEATURES}


class Words:
    """Everything a template says in one language."""

    def __init__(self, lang: str) -> None:
        self.lang: Any = lang
        self._at = 0 if lang == "zh" else 1

    def t(self, zh: str, en: str) -> str:
        """One of two sentences."""
        return (zh, en)[self._at]

    def of(self, table: Mapping[str, tuple[str, str]], code: str) -> str:
        """A code's word; the code itself when there is none."""
        return table[code][self._at] if code in table else code

    def verdict(self, code: str) -> str:
        """A verdict."""
        return self.of(VERDICTS, code)

    def source(self, code: str) -> str:
        """A source."""
        return self.of(SOURCE_LABELS, code)

    def cap(self, code: str) -> str:
        """What set a limit."""
        return self.t("未批准", "the verdict") if code == "verdict" else self.of(CAPS, code)

    def feature(self, name: str) -> str:
        """A feature, or what else a product can require."""
        if name in _FEATURES:
            feature = _FEATURES[name]
            return feature.label_zh if self.lang == "zh" else feature.label_en
        return self.of(_ASKED, name)

    def yuan(self, value: float) -> str:
        """Yuan as a person says it."""
        return said(value, "yuan", self.lang)

    def value(self, name: str, value: Any) -> str:
        """A feature's value with its unit."""
        if value is None or value != value:
            return self.t("无数据", "no data")
        table = {"sector": SECTORS, "region": PROVINCES, "purpose": PURPOSES}.get(name)
        if table:
            return self.of(table, str(value))
        unit = _FEATURES[name].unit if name in _FEATURES else _UNITS.get(name, "")
        return said(value, unit, self.lang)

    def requirement(self, refusal: Refusal) -> str:
        """What a product requires, in words."""
        name, required = refusal.feature, refusal.required
        first, _, rest = required.partition(" ")
        if name == "source":
            return self.t(
                f"需要{self.source(required)}数据", f"needs data of {self.source(required)}"
            )
        if name == "grade":
            return self.t(f"{first}级或更好", f"{first} or better")
        if required == "known":
            return self.t("需有数据", "must be known")
        if first in (">=", "<="):
            bound = self.value(name, float(rest))
            word = {">=": ("至少", "at least"), "<=": ("至多", "at most")}[first][self._at]
            return f"{word}{'' if self.lang == 'zh' else ' '}{bound}"
        negative = required.startswith("not in ")
        codes = required.removeprefix("not ").removeprefix("in ").split(", ")
        listed = self.t("、", ", ").join(self.value(name, code) for code in codes)
        return self.t(
            f"{'不含' if negative else '限'}{listed}", f"{'not' if negative else 'only'} {listed}"
        )

    def dimension(self, code: str) -> str:
        """A side of a firm."""
        return self.of(DIMENSIONS, code)
