/** Runs the task for each item, so many at a time; rejects with the first failure, after which no more are begun. */
export async function concurrently<T>(
  items: readonly T[],
  atATime: number,
  task: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next++
      try {
        await task(items[index]!, index)
      } catch (error) {
        next = items.length
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, lane))
}
