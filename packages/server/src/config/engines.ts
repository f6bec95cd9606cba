import { z } from 'zod'
import { nearestName } from './nearest.ts'

/**
 * Which engine serves a seam: the one that comes along, or a server that `url` names. The URL is as it was given; its
 * driver reads the rest of it. It may hold a password: show it by `withoutPassword` only.
 */
export type Engine<Kind extends string> =
  | { readonly kind: 'embedded' }
  | { readonly kind: Kind; readonly url: string }

/** `embedded`, or a URL; `kinds` says which engine a scheme stands for. */
export function engine<Kind extends string>(kinds: Readonly<Record<string, Kind>>) {
  return z.string().transform((given, context): Engine<Kind> => {
    const text = given.trim()
    if (text === 'embedded') return { kind: 'embedded' }
    const scheme = /^([^:/]*):\/\/[^/?#]+/.exec(text)?.[1]
    const kind = scheme === undefined ? undefined : kinds[scheme]
    if (kind !== undefined) return { kind, url: text }
    context.issues.push({ code: 'custom', input: given, message: hint(text, Object.keys(kinds)) })
    return z.NEVER
  })
}

function hint(given: string, schemes: readonly string[]): string {
  const name = given.split(':')[0]!
  if (schemes.includes(name)) return 'there is no host'
  const nearest = nearestName(name, ['embedded', ...schemes])
  const instead = nearest === 'embedded' ? nearest : `${nearest}://`
  return `there is no ${name}${nearest === undefined ? '' : `, but there is ${instead}`}`
}

/** The URL for logs and errors. */
export function withoutPassword(url: string): string {
  return url
    .replace(/^([^:/]+:\/\/[^:@/]*):.*@/, '$1:***@')
    .replace(/([?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*/gi, '$1***')
}
