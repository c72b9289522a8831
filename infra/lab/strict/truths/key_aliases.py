"""When a key's alias was made.

https://docs.aws.amazon.com/kms/latest/APIReference/API_AliasListEntry.html

moto's ListAliases leaves the date out.
"""

import json
from typing import Any

from moto.core.utils import unix_time
from moto.kms.models import KmsBackend
from moto.kms.responses import KmsResponse

from strict.override import override


def apply(_plane: Any) -> None:
    @override(KmsBackend, "create_alias")
    def create_alias(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        alias = original(self, *args, **kwargs)
        alias.creation_date = unix_time()
        return alias

    @override(KmsResponse, "list_aliases")
    def list_aliases(original: Any, self: Any) -> str:
        made = {alias.alias_name: alias for key in self.kms_backend.keys.values() for alias in key.aliases.values()}
        answer = json.loads(original(self))
        for alias in answer["Aliases"]:
            # AWS's own aliases have no date before their key is made.
            if alias["AliasName"] in made:
                alias["CreationDate"] = made[alias["AliasName"]].creation_date
        return json.dumps(answer)
