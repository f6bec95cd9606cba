import type { Rows } from '../embedded/rows.ts'

/** The order in which `copyBytes` writes them. */
export const copyColumns = 'series, quality, arrived, time, value, version'

const signature = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const rowBytes = 2 + (4 + 4) + 2 * (4 + 2) + 3 * (4 + 8)

/** Points in the binary format of COPY; `arrived`: day since 1970. */
export function copyBytes(rows: Rows, arrived: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(signature.length + rows.length * rowBytes + 2)
  signature.copy(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const { series, quality, times, value, versions } = rows
  let at = signature.length
  for (let row = 0; row < rows.length; row++, at += rowBytes) {
    view.setInt16(at, 6)
    view.setInt32(at + 2, 4)
    view.setInt32(at + 6, series[row]!)
    view.setInt32(at + 10, 2)
    view.setInt16(at + 14, quality[row]!)
    view.setInt32(at + 16, 2)
    view.setInt16(at + 20, arrived)
    view.setInt32(at + 22, 8)
    view.setUint32(at + 26, times[2 * row + 1]!)
    view.setUint32(at + 30, times[2 * row]!)
    view.setInt32(at + 34, 8)
    view.setFloat64(at + 38, value[row]!)
    view.setInt32(at + 46, 8)
    view.setUint32(at + 50, versions[2 * row + 1]!)
    view.setUint32(at + 54, versions[2 * row]!)
  }
  view.setInt16(at, -1)
  return bytes
}
