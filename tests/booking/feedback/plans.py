"""Plans as a prepared statement gets them that knows no parameter's value."""

from psycopg import sql

from core.database import driver_connection


async def generic_plan(session, query, **values):
    """The generic plan of ``query``, explained with its own parameters or with ``values``."""
    compiled = query.compile(dialect=session.bind.dialect, compile_kwargs={"render_postcompile": True})
    given = {**compiled.params, **values}
    statement = str(compiled) % {name: f"${number}" for number, name in enumerate(given, 1)}
    connection = await driver_connection(session)
    await connection.execute("set local plan_cache_mode = force_generic_plan")
    await connection.execute(f"prepare looked_at as {statement}")
    said = sql.SQL(", ").join(sql.Literal(value) for value in given.values())
    cursor = await connection.execute(sql.SQL("explain execute looked_at({})").format(said))
    plan = "\n".join(row[0] for row in await cursor.fetchall())
    await connection.execute("deallocate looked_at")
    return plan
