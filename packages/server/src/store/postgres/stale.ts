import type { Rows } from '../embedded/rows.ts'
import type { Session } from './database.ts'

export async function markStale(
  _session: Session,
  _schema: string,
  _rows: readonly Rows[],
  _closed: number,
) {}
