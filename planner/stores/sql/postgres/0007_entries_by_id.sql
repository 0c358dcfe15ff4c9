-- A request is looked for by its id alone, which whoever asks has from a header: the ledger's key begins with the moment of arrival, and partitions are by it.
CREATE INDEX entries_by_id ON entries (request_id);
