import pg from 'pg'

/** The rows of a query over a connection of its own to `postgres://…` or `timescale://…`; rejects after `timeoutMs`. */
export async function ask(url: string, query: string, timeoutMs = 10_000): Promise<unknown[]> {
  const client = new pg.Client({
    connectionString: url.replace(/^timescale:/, 'postgres:'),
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  })
  // A server that is killed ends the connection; the query rejects then.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(query)).rows
  } finally {
    await client.end()
  }
}
