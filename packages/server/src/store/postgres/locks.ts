/** Locks that last for a transaction; the second key tells the schemas of one database apart. */
export const locks = {
  /** Shared by writes; alone held by what must not run beside one. */
  writing: 0x64726f76,
  /** Who makes tables. */
  tables: 0x64726f77,
  /** Who tidies up in the background. */
  tidying: 0x64726f78,
} as const

export function lockSql(lock: keyof typeof locks, schema: string, shared = false): string {
  return `SELECT pg_advisory_xact_lock${shared ? '_shared' : ''}(${locks[lock]}, hashtext('${schema.replaceAll("'", "''")}'))`
}
