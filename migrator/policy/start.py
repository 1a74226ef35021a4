"""The policy file to start from, and the schema beside it that editors complete from."""

from __future__ import annotations

from pathlib import Path

from migrator.errors import InputError
from migrator.policy.load import FILE_NAME
from migrator.policy.schema import MigrationPolicy, write_schema
from migrator.templates import Written, render_template

SCHEMA_NAME = ".migrator.schema.json"


def write_policy() -> str:
    """Write a policy that says nothing yet, with an example of each key as a comment."""
    return render_template("policy.yaml.j2", schema=Written(SCHEMA_NAME))


def start_policy(folder: Path) -> list[str]:
    """Write both files into a folder and give their paths; the schema is renewed where it is there.

    Raises InputError where the folder has a policy, or cannot be written.
    """
    policy, schema = folder / FILE_NAME, folder / SCHEMA_NAME
    try:
        with policy.open("x", encoding="utf-8") as file:
            file.write(write_policy())
        schema.write_text(write_schema(MigrationPolicy), encoding="utf-8")
    except FileExistsError:
        raise InputError(str(policy), "is there already", hint="edit it; migrator schema policy says more") from None
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        raise InputError(str(error.filename or folder), f"cannot be written: {problem}") from None
    return [str(policy), str(schema)]
