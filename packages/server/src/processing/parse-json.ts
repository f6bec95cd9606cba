import { isUtf8 } from 'node:buffer'
import { type Refusal, refusal } from '../quality/refusal.ts'

/** A parsed payload, or why it is none. */
export type Parsed = { readonly value: unknown } | { readonly refusal: Refusal }

const messageCharactersMax = 200

/** The value of JSON (RFC 8259); its depth is not checked. Of keys that stand twice in an object the last counts. */
export function parseJson(bytes: Buffer, start: number, end: number): Parsed {
  const text = bytes.toString('utf8', start, end)
  try {
    const value: unknown = JSON.parse(text)
    // What is not UTF-8 was read as U+FFFD.
    if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) return notJson('it is not UTF-8')
    return { value }
  } catch (error) {
    return notJson((error as Error).message.slice(0, messageCharactersMax))
  }
}

function notJson(why: string): Parsed {
  return { refusal: refusal('payloadNotJson', `the payload is not JSON: ${why}`) }
}
