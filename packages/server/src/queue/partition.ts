/** The partition of a device's records: the same for ever, as long as the number of partitions stays. */
export function partitionOf(deviceUid: number, partitions: number): number {
  // MurmurHash3's last step: uids are counted up, and their lowest bits alone would follow the order of registration.
  let hash = deviceUid ^ (deviceUid >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  hash ^= hash >>> 16
  return (hash >>> 0) % partitions
}
