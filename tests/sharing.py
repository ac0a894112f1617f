"""How the tests are shared out to the workers."""

from xdist.scheduler import LoadScopeScheduling

# The order in which files begin: what takes long and what starts processes first, so that the workers end together.
FIRST = ("tests/api/test_schemathesis.py", "tests/concurrency/", "tests/api/")
# Each of their tests goes to the next worker that is free; of other files all go to one, which starts their servers once.
APART = ("tests/api/test_schemathesis.py",)


def rank(nodeid: str) -> int:
    return next((number for number, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


class WholeFiles(LoadScopeScheduling):
    """Whole files."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(APART) else nodeid.partition("::")[0]
