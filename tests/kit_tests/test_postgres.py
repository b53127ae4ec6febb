"""Every test gets an empty database in a cluster of the tests' own."""

import psycopg
import pytest
import sqlalchemy

from tests.kit.postgres import Postgres

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("turn", [1, 2])
def test_a_database_is_empty_and_takes_tables(turn: int, postgres_url: str) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    try:
        with engine.begin() as connection:
            assert sqlalchemy.inspect(connection).get_table_names() == []
            connection.execute(sqlalchemy.text("CREATE TABLE songs (name text)"))
            connection.execute(sqlalchemy.text("INSERT INTO songs VALUES ('Frère Jacques')"))
            assert connection.execute(sqlalchemy.text("SELECT name FROM songs")).scalar_one() == "Frère Jacques"
    finally:
        engine.dispose()


def test_a_database_is_gone_after_its_test(postgres: Postgres) -> None:
    with postgres.database() as url:
        name = str(sqlalchemy.make_url(url).database)
        with psycopg.connect(postgres.dsn(name)) as connection:
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(postgres.dsn(name))
