import { isUtf8 } from 'node:buffer'
import { malformed } from './reasons.ts'

/**
 * Reads the fields of one packet, between `at` and `end`. Anything that does not fit is a malformed packet.
 * mqtt-packet is not used for this direction: it lets invalid UTF-8, repeated properties, fields that reach past the
 * packet and trailing bytes pass, and tells errors apart by text only (docs/decisions/0008).
 */
export class PacketReader {
  readonly bytes: Buffer
  at: number
  readonly end: number

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get left(): number {
    return this.end - this.at
  }

  byte(): number {
    return this.bytes[this.#take(1)]!
  }

  uint16(): number {
    return this.bytes.readUInt16BE(this.#take(2))
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.#take(4))
  }

  /** Section 1.5.5 of MQTT 5.0: at most four bytes [MQTT-1.5.5-1 asks the shortest form of the sender only]. */
  variableByteInteger(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw malformed('a variable byte integer has more than four bytes')
  }

  binary(): Buffer {
    const length = this.uint16()
    const start = this.#take(length)
    return this.bytes.subarray(start, start + length)
  }

  string(): string {
    return decodeString(this.binary())
  }

  /** The packet must end here. */
  finish(): void {
    if (this.left > 0) throw malformed('bytes follow the last field of the packet')
  }

  #take(length: number): number {
    const start = this.at
    if (start + length > this.end) throw malformed('a field reaches past the end of the packet')
    this.at = start + length
    return start
  }
}

export function decodeString(bytes: Buffer): string {
  // [MQTT-1.5.4-1] Ill-formed UTF-8, surrogates included, makes the packet malformed; so does U+0000 [MQTT-1.5.4-2].
  if (!isUtf8(bytes)) throw malformed('a string is not well-formed UTF-8')
  if (bytes.includes(0)) throw malformed('a string contains U+0000')
  // [MQTT-1.5.4-3] A byte order mark is a character as any other; toString keeps it.
  return bytes.toString('utf8')
}
