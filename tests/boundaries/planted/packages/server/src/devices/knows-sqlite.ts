// breaks: sqlite-stays-home
import { DatabaseSync } from 'node:sqlite'
export const open = DatabaseSync
