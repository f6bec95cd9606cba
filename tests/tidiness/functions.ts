import { parseSync } from '@swc/core'

/** A function and how many of its lines are its own: not those of functions inside it. */
export interface MeasuredFunction {
  readonly name: string
  readonly firstLine: number
  readonly ownLines: number
}

interface Node {
  readonly type?: string
  /** Bytes of the file, counted from 1. */
  readonly span?: { readonly start: number; readonly end: number }
  readonly [field: string]: unknown
}

const functionTypes = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'MethodProperty',
  'Constructor',
])

/** The functions of a TypeScript file, inner ones before outer ones. Throws when it does not parse. */
export function measureFunctions(path: string, source: string): MeasuredFunction[] {
  const tree = parseSync(source, { syntax: 'typescript', tsx: path.endsWith('.tsx'), target: 'es2022' })
  const bytes = Buffer.from(source)
  const measured: MeasuredFunction[] = []

  /** Measures the functions in the node; answers how many lines they take. */
  const measure = (node: unknown, around: string): number => {
    if (typeof node !== 'object' || node === null) return 0
    const name = nameOf(node) ?? around
    const inner = Object.values(node).reduce((sum: number, part) => sum + measure(part, name), 0)
    const { type = '', span } = node as Node
    if (!span || !functionTypes.has(type)) return inner
    const [firstLine, lastLine] = [lineAt(bytes, span.start), lineAt(bytes, span.end)]
    measured.push({ name, firstLine, ownLines: lastLine - firstLine + 1 - inner })
    // The line on which it starts is one of the function around it.
    return lastLine - firstLine
  }
  measure(tree.body, path)
  return measured
}

function lineAt(bytes: Buffer, position: number): number {
  let line = 1
  for (let at = bytes.indexOf(10); at >= 0 && at < position - 1; at = bytes.indexOf(10, at + 1)) line++
  return line
}

/** The name that a declaration, a method or a variable gives to the function in it. */
function nameOf(node: object): string | undefined {
  const { identifier, key, id } = node as { identifier?: unknown; key?: unknown; id?: unknown }
  for (const named of [identifier, key, id]) {
    const { value } = (named ?? {}) as { value?: unknown }
    if (typeof value === 'string') return value
  }
  return undefined
}
