"""What the server is told from outside: options or YIDAITONG_* environment variables."""

from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

HOME = Path(".yidaitong")
"""Where the demo keeps its world, scorecard and ledger, below the folder it is run in."""


class Settings(BaseSettings):
    """Every setting has a name, a default and a sentence; options override the environment."""

    model_config = SettingsConfigDict(env_prefix="YIDAITONG_", extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address the server listens on")
    port: int = Field(
        default=8000, ge=0, le=65535, description="port the server listens on; 0 picks one"
    )
    ledger: str = Field(
        default=f"sqlite:///{HOME}/ledger.db", description="where decision records are kept"
    )
    signing_key: Path = Field(
        default=HOME / "signing_key.pem",
        description="Ed25519 key that signs evidence and heads; made when first needed",
    )
    artifact: Path = Field(
        default=HOME / "artifact", description="folder of the scorecard that decides"
    )
    policy: Path | None = Field(
        default=None, description="policy file; the packaged one when not given"
    )
    catalogue: Path | None = Field(
        default=None, description="product catalogue; the packaged one when not given"
    )
    releases: Path = Field(
        default=HOME / "releases",
        description="folder that a running server may swap scorecard, policy, catalogue in from",
    )
    exchange: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="URL of the data exchange that sources are asked through; none, nothing asked",
    )
    sources: Path | None = Field(
        default=None, description="how sources are asked; the packaged settings when not given"
    )
    showcase: Path = Field(
        default=HOME / "showcase", description="folder of what the console shows besides the ledger"
    )
    desk: Path | None = Field(
        default=None, description="terms of the desk; the packaged ones when not given"
    )
    retention_days: int | None = Field(
        default=None, ge=1, description="days after which `erase` erases; none, it must be told"
    )
    officers: list[str] = Field(
        default=["Lin 林", "Zhao 赵", "Chen 陈"], description="who may sign in at the desk"
    )
    open: bool = Field(
        default=False, description="let everyone in, whatever keys there are; on loopback only"
    )
    keys: Path = Field(default=HOME / "keys.json", description="file of API keys, as hashes")
    jwt_key: Path | None = Field(
        default=None, description="public key (PEM) of who issues JWTs, or the secret of HS256"
    )
    jwt_algorithm: Literal["RS256", "ES256", "EdDSA", "HS256"] = Field(
        default="RS256", description="the one algorithm a JWT may be signed with"
    )
    jwt_issuer: str = Field(default="", description="`iss` that a JWT must bear")
    jwt_audience: str = Field(default="", description="`aud` that a JWT must bear")
    jwt_per_minute: int = Field(default=600, ge=1, description="requests a minute, a JWT's subject")
    tls_cert: Path | None = Field(default=None, description="certificate chain (PEM): speak TLS")
    tls_key: Path | None = Field(default=None, description="private key of that certificate")
    log: Literal["text", "json"] = Field(
        default="text", description="how the server's log is written, to standard error"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = Field(
        default=None, description="from which level on; none: WARNING of text, INFO of JSON"
    )
    traces: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="OTLP/HTTP endpoint that spans are sent to; none, nothing is traced",
    )
    max_body_bytes: int = Field(
        default=1_000_000, ge=1_000, description="largest request body accepted"
    )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def policy_file(self) -> Path:
        """The policy in force."""
        return self.policy or Path(__file__).parent / "policy.toml"

    @property
    def catalogue_file(self) -> Path:
        """The product catalogue in force."""
        return self.catalogue or Path(__file__).parent / "catalogue.toml"

    @property
    def sources_file(self) -> Path:
        """The settings of sources in force."""
        return self.sources or Path(__file__).parent / "sources.toml"

    @property
    def desk_file(self) -> Path:
        """The terms of the desk in force."""
        return self.desk or Path(__file__).parent / "desk.toml"
