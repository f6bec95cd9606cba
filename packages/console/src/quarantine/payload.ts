/** Bytes of one line of a hex dump. */
const lineBytes = 16

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}

/** As UTF-8; bytes that are none show as the replacement character. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** Offset, bytes and printable characters, sixteen bytes a line. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let start = 0; start < bytes.length; start += lineBytes)
    lines.push(hexLine(start, bytes.subarray(start, start + lineBytes)))
  return lines.join('\n')
}

function hexLine(start: number, bytes: Uint8Array): string {
  const offset = start.toString(16).padStart(4, '0')
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
  const halves = [hex.slice(0, 8).join(' '), hex.slice(8).join(' ')]
  const characters = Array.from(bytes, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.'))
  return `${offset}  ${halves.join('  ').padEnd(lineBytes * 3 + 1)} ${characters.join('')}`
}
