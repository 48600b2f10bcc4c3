-- The version of the schema that a database of Prefect's or MLflow's was brought to, as alembic records it.
select version_num
from alembic_version;
