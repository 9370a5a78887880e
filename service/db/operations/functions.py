"""Create and drop the functions of ``functions/<name>_v<N>.sql``."""

from django.db import transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from service.db import functions
from service.db.dependents import dependents
from service.db.errors import DefinitionDiffers, WronglyUsed
from service.db.functions import FunctionFile
from service.db.operations.base import FileOperation


class RunSQLFile(FileOperation):
    """Create the function of a file; reversed, bring back what was there before.

    ``CREATE FUNCTION <name>_v<N>`` makes a function beside its other versions, so an old release
    keeps calling the old one while a new release calls the new one; reversed, it is dropped.

    ``CREATE OR REPLACE FUNCTION <name>`` changes a function that keeps its name and arguments, as
    triggers need it; reversed, the file of version N - 1 replaces it again.

    A function that is there already as the file makes it is accepted.

    Raises:
        DefinitionDiffers: The server has a function of this name that is neither.
    """

    verb = "Create function of"

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        file = functions.read(self.path)
        if editor.collect_sql:
            editor.execute(file.text, params=None)
        elif file.replaces:
            _replace(editor, file, _previous(file))
        else:
            _create(editor, file)

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        file = functions.read(self.path)
        previous = _previous(file) if file.replaces else None
        if previous is None:
            _drop(editor, file)
        elif editor.collect_sql:
            editor.execute(previous.text, params=None)
        else:
            _replace(editor, previous, file, restores=True)


class DropFunction(FileOperation):
    """Drop the function of a file that no release calls any more; reversed, create it again.

    Raises:
        WronglyUsed: Other objects of the database still use it.
        DefinitionDiffers: It is not as the file makes it, so reversing would lose something.
    """

    verb = "Drop function of"

    def apply(self, editor: BaseDatabaseSchemaEditor) -> None:
        file = functions.read(self.path)
        if not editor.collect_sql and functions.found(editor.connection, file) is not None:
            users = dependents(editor.connection, file)
            if users:
                raise WronglyUsed(f"{file.qualified} is still used by {', '.join(users)}: change or drop them first")
        _drop(editor, file)

    def undo(self, editor: BaseDatabaseSchemaEditor) -> None:
        file = functions.read(self.path)
        if editor.collect_sql:
            editor.execute(file.text, params=None)
        else:
            _create(editor, file)


def _previous(file: FunctionFile) -> FunctionFile | None:
    """The version that a replacing file replaces; None for the first."""
    if file.previous_path is None:
        return None
    found = functions.read(file.previous_path)
    if (found.name, found.schema, found.replaces) != (file.name, file.schema, True):
        raise WronglyUsed(f"{file.previous_path} must CREATE OR REPLACE {file.qualified} too: {file.path} replaces it")
    return found


def _create(editor: BaseDatabaseSchemaEditor, file: FunctionFile) -> None:
    if functions.found(editor.connection, file) is not None:
        return
    # Outside of a transaction the server makes one of the whole script by itself; this one reads more plainly.
    with transaction.atomic(using=editor.connection.alias):
        editor.execute(file.text, params=None)
        if len(functions.present(editor.connection, file)) != 1:
            raise WronglyUsed(f"{file.path} ran, and there is no function {file.qualified}")


def _replace(
    editor: BaseDatabaseSchemaEditor, file: FunctionFile, before: FunctionFile | None, *, restores: bool = False
) -> None:
    """Put one version in the place of another that must be there now.

    Replacing keeps who may execute a function. To restore a version gives PUBLIC back what the later
    one took; to apply one never does so by silence.
    """
    connection = editor.connection
    found = functions.present(connection, file)
    wanted = functions.made(connection, file)
    if found == [wanted]:
        return
    expected = [functions.made(connection, before)] if before is not None else []
    if found != expected:
        raise functions.differs(before or file, found, (expected or [wanted])[0])
    if expected and expected[0].arguments != wanted.arguments:
        raise DefinitionDiffers(
            f"{file.qualified}({wanted.arguments}) cannot replace {file.qualified}({expected[0].arguments}): other "
            "arguments make another function. Give it a versioned name"
        )
    with transaction.atomic(using=connection.alias):
        editor.execute(file.text, params=None)
        if restores and wanted.is_public:
            editor.execute(f"GRANT EXECUTE ON {file.kind} {file.qualified}({wanted.arguments}) TO PUBLIC", params=None)
        if functions.present(connection, file) != [wanted]:
            raise WronglyUsed(
                f"{file.path} does not say who may execute {file.qualified}, and the version before it took that from "
                "PUBLIC: add REVOKE ALL ... FROM PUBLIC, or GRANT EXECUTE ... TO PUBLIC"
            )


def _drop(editor: BaseDatabaseSchemaEditor, file: FunctionFile) -> None:
    """Drop exactly what the file makes; what is gone already is gone."""
    if editor.collect_sql:
        editor.execute(f"DROP {file.kind} {file.qualified}", params=None)
        return
    function = functions.found(editor.connection, file)
    if function is not None:
        editor.execute(f"DROP {file.kind} {file.qualified}({function.arguments})", params=None)
