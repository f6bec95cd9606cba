import { headerBytes, RecordCursor, recordHeaderBytes, type SealedBatch } from '../batch.ts'
import { partitionOf } from '../partition.ts'

/** A batch of records of one partition. */
export interface BatchPart extends SealedBatch {
  readonly partition: number
  /** Of its first record: no other part of any gateway has it, and the same batch gives the same again. */
  readonly messageId: string
}

interface Range {
  readonly start: number
  readonly end: number
}

/**
 * The records of a batch as batches of their own, by partition in their order, each of at most `bytesMax` bytes or one record.
 * The message ids and the times of receipt that the batch has, one for each record, are given out anew among its records, so that each
 * part has successive ones.
 */
export function splitBatch(batch: SealedBatch, partitions: number, bytesMax: number): BatchPart[] {
  const cursor = new RecordCursor(batch.bytes)
  const { bootId, messageCounter } = cursor
  const first = messageCounter + 1
  const groups: { readonly partition: number; bytes: number; readonly ranges: Range[] }[] = []
  const open = new Map<number, (typeof groups)[number]>()
  while (cursor.next()) {
    const partition = partitionOf(cursor.deviceUid, partitions)
    const range = { start: cursor.keyStart - recordHeaderBytes, end: cursor.payloadEnd }
    const bytes = range.end - range.start
    let group = open.get(partition)
    if (!group || group.bytes + bytes > bytesMax) {
      group = { partition, bytes: headerBytes, ranges: [] }
      open.set(partition, group)
      groups.push(group)
    }
    group.bytes += bytes
    group.ranges.push(range)
  }
  let done = 0
  return groups.map(({ partition, bytes, ranges }) => {
    const messageId = `${bootId}-${first + done}`
    const part = {
      partition,
      messageId,
      count: ranges.length,
      bytes: groups.length === 1 ? batch.bytes : copyOf(cursor.bytes, ranges, bytes, done),
    }
    done += ranges.length
    return part
  })
}

/** A batch of these records of `from`, whose ids and times of receipt are those of the batch from the given index on. */
function copyOf(
  from: Buffer,
  ranges: readonly Range[],
  size: number,
  index: number,
): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.allocUnsafeSlow(size)
  from.copy(bytes, 0, 0, headerBytes)
  bytes.writeUInt32LE(ranges.length, 4)
  bytes.writeDoubleLE(from.readDoubleLE(16) + index, 16)
  bytes.writeDoubleLE(from.readDoubleLE(24) + index, 24)
  bytes.writeUInt32LE(size, 32)
  let at = headerBytes
  for (const { start, end } of ranges) at += from.copy(bytes, at, start, end)
  return new Uint8Array(bytes.buffer)
}
