/** Numbers and texts are kept alike, in tables and files of their own. */
export const kinds = ['numbers', 'texts'] as const
export type Kind = (typeof kinds)[number]

const valueTypes: Record<Kind, string> = { numbers: 'DOUBLE', texts: 'VARCHAR' }

/** Of hot and late tables; segments have `metric` beside them, by which they are sorted first. */
export const pointColumns = 'series, time, value, quality, version'

export function createPointTable({ name, kind }: { readonly name: string; readonly kind: Kind }): string {
  return `CREATE TABLE ${name} (series INTEGER NOT NULL, time TIMESTAMP NOT NULL, value ${valueTypes[kind]} NOT NULL,
    quality UTINYINT NOT NULL, version BIGINT NOT NULL)`
}

/** The latest point of each series, as files hold it; `value` or `text` is NULL. */
export const latestColumns = 'series, time, value, text, quality, version'

/** In memory, beside the tables of points: the series that exist, by which segments are sorted and left out. */
export const seriesTable = 'CREATE TABLE series (id INTEGER NOT NULL, metric VARCHAR NOT NULL)'
