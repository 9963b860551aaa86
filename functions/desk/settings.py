"""Settings of the function; template.yaml gives them."""

from dataclasses import dataclass

from slipcast_aws.settings import FunctionSettings


@dataclass(frozen=True)
class Settings(FunctionSettings):
    """Sign-in of the API's callers, and the origins that the page may talk to besides its own."""

    api_auth: str
    sign_in_domain: str
    sign_in_client_id: str
    scope: str
    bucket_origin: str
