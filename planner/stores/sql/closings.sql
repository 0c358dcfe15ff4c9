-- name: put_closing
-- Close a month, once; a month that is closed already gives no row back.
INSERT INTO closings (month, closed_at, closing) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING month;

-- name: closing
-- What a month was closed with.
SELECT closing FROM closings WHERE month = $1;
