import { DroverError } from '@drover/protocol'

type CursorField = string | number

/** An opaque text from which a list goes on. `kind` names the list, so that a cursor of another is refused. */
export function formatCursor(kind: string, fields: readonly CursorField[]): string {
  return Buffer.from(JSON.stringify([kind, ...fields])).toString('base64url')
}

/**
 * The fields of a cursor that `formatCursor` made, each of the type that `types` says. Throws `badCursor` for anything
 * else.
 */
export function parseCursor<const T extends readonly ('string' | 'number')[]>(
  kind: string,
  types: T,
  text: string,
): { -readonly [K in keyof T]: T[K] extends 'string' ? string : number } {
  const [found, ...fields] = decode(text)
  const fits =
    found === kind && fields.length === types.length && fields.every((field, at) => isA(types[at]!, field))
  if (!fits) throw new DroverError('badCursor')
  return fields as never
}

function decode(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (Array.isArray(value)) return value
  } catch {
    // Refused below, as what is valid JSON but no cursor.
  }
  throw new DroverError('badCursor')
}

function isA(type: 'string' | 'number', field: unknown): boolean {
  return type === 'number' ? Number.isSafeInteger(field) : typeof field === 'string'
}
