-- The role by which Grafana reads the ledger: it may read every table that the planner makes, and nothing else. The image of PostgreSQL runs this
-- once, when its volume is empty, as the owner of the ledger. Elsewhere: GRAFANA_LEDGER_PASSWORD=… psql -f grafana.sql "$PLANNER_STORE", before the first
-- start of the planner; on a ledger that is there already, followed by: GRANT SELECT ON ALL TABLES IN SCHEMA public TO grafana;

\getenv password GRAFANA_LEDGER_PASSWORD
CREATE ROLE grafana LOGIN PASSWORD :'password';
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '60s';
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO grafana;
