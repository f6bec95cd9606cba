/** Numbers and texts are kept alike, in tables and files of their own. */
export const kinds = ['numbers', 'texts'] as const
export type Kind = (typeof kinds)[number]

const valueTypes: Record<Kind, string> = { numbers: 'DOUBLE', texts: 'VARCHAR' }

/** Of hot and late tables; segments have `metric` beside them, by which they are sorted first. */
export const pointColumns = 'series, time, value, quality, version'

export function createPointTable(name: string, kind: Kind): string {
  return `CREATE TABLE ${name} (series INTEGER NOT NULL, time TIMESTAMP NOT NULL, value ${valueTypes[kind]} NOT NULL,
    quality UTINYINT NOT NULL, version BIGINT NOT NULL);`
}

/** The latest point of each series as of the rotation that made the table; `value` or `text` is NULL. */
export const latestColumns = 'series, time, value, text, quality, version'

/** Without keys and indexes: the one writer keeps them sound, and they would cost what they guard. */
export const schema = `
  CREATE TABLE IF NOT EXISTS meta (name VARCHAR NOT NULL, value BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS series (id INTEGER NOT NULL, tenant INTEGER NOT NULL, device_uid INTEGER NOT NULL,
    metric VARCHAR NOT NULL, type VARCHAR NOT NULL, unit VARCHAR);
  CREATE TABLE IF NOT EXISTS tombstones (series INTEGER NOT NULL, metric VARCHAR NOT NULL);
  CREATE TABLE IF NOT EXISTS positions (consumer VARCHAR NOT NULL, partition INTEGER NOT NULL,
    identity VARCHAR NOT NULL, position BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS segments (id INTEGER NOT NULL, run INTEGER NOT NULL, kind VARCHAR NOT NULL,
    late BOOLEAN NOT NULL, file VARCHAR NOT NULL, rows BIGINT NOT NULL, suspects BIGINT NOT NULL, bytes BIGINT NOT NULL,
    hours INTEGER NOT NULL, hours_bytes BIGINT NOT NULL, time_min BIGINT NOT NULL, time_max BIGINT NOT NULL, series_min INTEGER NOT NULL, series_max INTEGER NOT NULL,
    metric_min VARCHAR NOT NULL, metric_max VARCHAR NOT NULL, series_first INTEGER NOT NULL,
    series_last INTEGER NOT NULL, version_min BIGINT NOT NULL,
    version_max BIGINT NOT NULL, arrived_max BIGINT NOT NULL, cut BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS quarantine (id BIGINT NOT NULL, tenant INTEGER NOT NULL, device_uid INTEGER NOT NULL,
    reason VARCHAR NOT NULL, message VARCHAR NOT NULL, metric VARCHAR, received_at BIGINT NOT NULL,
    content_type INTEGER NOT NULL, payload BLOB NOT NULL, payload_bytes INTEGER NOT NULL, version BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS quarantine_dropped (device_uid INTEGER NOT NULL, dropped BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS message_keys (sequence BIGINT NOT NULL, device_uid INTEGER NOT NULL,
    key VARCHAR NOT NULL, received_at BIGINT NOT NULL, held BOOLEAN NOT NULL);
  CREATE TABLE IF NOT EXISTS latest_0 (series INTEGER NOT NULL, time TIMESTAMP NOT NULL, value DOUBLE, text VARCHAR,
    quality UTINYINT NOT NULL, version BIGINT NOT NULL);
`
