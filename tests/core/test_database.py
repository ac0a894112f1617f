from sqlalchemy import text


async def test_a_transaction_that_raises_leaves_nothing_behind(database):
    try:
        async with database.transaction() as session:
            await session.execute(text("insert into source (code, name) values ('x', 'x')"))
            raise LookupError
    except LookupError:
        pass
    async with database.hot() as connection:
        cursor = await connection.execute("select count(*) from source")
        assert await cursor.fetchone() == (0,)


async def test_a_transaction_that_ends_is_there_for_others(database):
    async with database.transaction() as session:
        await session.execute(text("insert into source (code, name) values ('x', 'x')"))
    async with database.hot() as connection:
        cursor = await connection.execute("select code from source")
        assert await cursor.fetchone() == ("x",)
