-- name: put_reconciliation
-- A statement made at the same moment again replaces itself.
INSERT INTO reconciliations (month, organization, made_at, statement) VALUES ($1, $2, $3, $4)
ON CONFLICT (month, organization, made_at) DO UPDATE SET statement = excluded.statement;

-- name: reconciliations
-- The newest statement of every month and organization.
SELECT statement FROM reconciliations
WHERE made_at = (SELECT MAX(made_at) FROM reconciliations AS newer
                 WHERE newer.month = reconciliations.month AND newer.organization = reconciliations.organization)
ORDER BY month, organization;

-- name: put_bill_page
-- A page that is fetched again replaces what was kept of it.
INSERT INTO bill_pages (name, at, page) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET at = excluded.at, page = excluded.page;

-- name: bill_page
-- A kept page, and when it was fetched.
SELECT at, page FROM bill_pages WHERE name = $1;

-- name: last_bill_page
-- When the last page was fetched.
SELECT MAX(at) FROM bill_pages;
