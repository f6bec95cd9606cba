import { isIP } from 'node:net'
import { z } from 'zod'

/**
 * The kinds of values that settings have. Each schema takes the value as the file gives it (a number, a boolean) and
 * as environment and flags give it (text), so that one schema serves all sources.
 */

/** Where a listener listens. */
export interface ListenerAddress {
  /** A host name or an IP address; IPv6 without brackets. */
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
}

function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim())
  const unit = match ? units[match[2]!.toUpperCase()] : undefined
  return match && unit ? Math.round(Number(match[1]) * unit) : Number.NaN
}

function parseNumber(text: string): number {
  return /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN
}

function numberWithin(parse: (text: string) => number, min: number, max: number) {
  return z.union([z.number(), z.string().transform(parse)]).pipe(z.int().min(min).max(max))
}

/** Bytes, or text with a unit: `8GiB`, `512 MiB`. */
export const bytes = (min: number, max: number) => numberWithin(parseBytes, min, max)

/** A whole number. */
export const count = (min: number, max: number) => numberWithin(parseNumber, min, max)

export const text = (lengthMax = 4096) => z.string().trim().min(1).max(lengthMax)

/** True or false. */
export const yesOrNo = () =>
  z.union([z.boolean(), z.enum(['true', 'false']).transform((given) => given === 'true')])

/** Some of these names, with commas between them. */
export const someOf = <Name extends string>(names: readonly Name[]) =>
  z.string().transform((given, context): readonly Name[] => {
    const chosen = given.split(',').map((name) => name.trim())
    if (chosen.every((name) => (names as readonly string[]).includes(name)))
      return names.filter((name) => chosen.includes(name))
    context.issues.push({ code: 'custom', input: given, message: 'not one of them' })
    return z.NEVER
  })

/** HOST:PORT, [IPV6]:PORT, or `off`. */
export const listener = () => z.string().transform(parseListener)

function parseListener(
  given: string,
  context: { issues: z.core.$ZodRawIssue[] },
): Readonly<ListenerAddress> | 'off' {
  if (given.trim() === 'off') return 'off'
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(given.trim())
  const port = Number(match?.[3])
  if (match && port <= 65_535 && (match[1] === undefined || isIP(match[1]) === 6))
    return { host: match[1] ?? match[2]!, port }
  context.issues.push({ code: 'custom', input: given, message: 'not an address' })
  return z.NEVER
}

/** HOST:PORT as it is written in settings and addresses. */
export function formatListener({ host, port }: ListenerAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether only this machine can reach what listens there. A name other than localhost may mean any address. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  const mapped = host.toLowerCase().startsWith('::ffff:') ? host.slice(7) : host
  return isIP(mapped) === 4 && mapped.startsWith('127.')
}
