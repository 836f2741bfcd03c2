"""What all answers have in common."""

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from selectivity.reasons.wording import Language
from serving.http.language import headers_in


class Answer(BaseModel):
    """Something that a caller reads; it stays as it was made."""

    model_config = ConfigDict(frozen=True)

    def response(
        self, status: HTTPStatus = HTTPStatus.OK, *, language: Language | None = None
    ) -> Response:
        """This answer over HTTP, as JSON; `language` is that of its sentences, if it has any."""
        headers = None if language is None else headers_in(language)
        return Response(self.model_dump_json(), status, headers, media_type="application/json")
