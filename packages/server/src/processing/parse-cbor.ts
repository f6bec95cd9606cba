import { limits } from '@drover/protocol'
import { type DecodeOptions, decode, type Token, Tokenizer, Type } from 'cborg'
import { refusal } from '../quality/refusal.ts'
import { type ContentType, contentTypes } from '../queue/batch.ts'
import { tooDeep } from './depth.ts'
import type { Parsed } from './parse-json.ts'

/**
 * Whether a payload is read as CBOR. Where nobody said: a map, an array or a tag of CBOR begins with a byte from 0x80 on,
 * JSON never does (but for the mark of UTF-8's byte order, which is no JSON and no CBOR either).
 */
export function isCborPayload(firstByte: number, contentType: ContentType): boolean {
  if (contentType === contentTypes.cbor || contentType === contentTypes.senmlCbor) return true
  return contentType === contentTypes.unknown && firstByte >= 0x80 && firstByte !== 0xef
}

/**
 * The value of CBOR (RFC 8949) in the types of JSON: numbers of any size become doubles, byte strings base64url
 * text (as SenML writes them in JSON), `undefined` null. Maps become objects; their integer keys are those of SenML
 * (RFC 8428, section 6) and become its labels, other keys are refused.
 */
export function parseCbor(bytes: Uint8Array): Parsed {
  try {
    return { value: toJson(decode(bytes, { ...options, tokenizer: new ShallowTokenizer(bytes, options) })) }
  } catch (error) {
    if (error instanceof TooDeep) return { refusal: tooDeep }
    return { refusal: refusal('payloadNotCbor', `the payload is not CBOR: ${(error as Error).message}`) }
  }
}

const options: DecodeOptions = {
  allowIndefinite: true,
  allowBigInt: true,
  allowUndefined: true,
  useMaps: true,
  coerceUndefinedToNull: true,
  rejectDuplicateMapKeys: true,
  tags: {
    // A decimal fraction, as SenML may write numbers: [exponent, mantissa].
    4: (content) => decimalFraction(content()),
    // "This is CBOR."
    55799: (content) => content(),
  },
}

function decimalFraction(parts: unknown): number {
  const [exponent, mantissa] = Array.isArray(parts) ? parts.map(toNumber) : []
  if (exponent === undefined || mantissa === undefined || !Number.isInteger(exponent))
    throw new Error('a decimal fraction is not [exponent, mantissa]')
  return Number(`${mantissa}e${exponent}`)
}

function toNumber(value: unknown): number | undefined {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined
}

class TooDeep extends Error {}

/** Refuses to go deeper than allowed, so that the recursion of the decoder is bounded. */
class ShallowTokenizer extends Tokenizer {
  /** Items still to come at each open level. */
  readonly #left: number[] = []

  override next(): Token {
    const token = super.next()
    const items = itemsOf(token)
    if (items > 0) {
      if (this.#left.push(items) > limits.payloadDepthMax) throw new TooDeep()
    } else this.#close(Type.equals(token.type, Type.break))
    return token
  }

  /** An item is complete; with it, all levels of which it was the last. */
  #close(isBreak: boolean): void {
    const left = this.#left
    if (isBreak) left.pop()
    while (left.length > 0 && --left[left.length - 1]! === 0) left.pop()
  }
}

/** Items that belong to a token: 0 for one that is complete by itself. */
function itemsOf({ type, value }: Token): number {
  if (Type.equals(type, Type.array)) return value as number
  if (Type.equals(type, Type.map)) return 2 * (value as number)
  return Type.equals(type, Type.tag) ? 1 : 0
}

/** SenML's labels in CBOR: RFC 8428, table 4. */
const senmlLabels = new Map<unknown, string>([
  [-1, 'bver'],
  [-2, 'bn'],
  [-3, 'bt'],
  [-4, 'bu'],
  [-5, 'bv'],
  [-6, 'bs'],
  [0, 'n'],
  [1, 'u'],
  [2, 'v'],
  [3, 'vs'],
  [4, 'vb'],
  [5, 's'],
  [6, 't'],
  [7, 'ut'],
  [8, 'vd'],
])

function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(toJson)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64url')
  // Object.fromEntries defines properties, so that no key reaches a prototype.
  return Object.fromEntries(
    Array.from(value as Map<unknown, unknown>, ([key, item]) => [toKey(key), toJson(item)]),
  )
}

function toKey(key: unknown): string {
  const label = typeof key === 'string' ? key : senmlLabels.get(key)
  if (label === undefined) throw new Error('a key of a map is neither text nor a label of SenML')
  return label
}
