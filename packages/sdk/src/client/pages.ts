/** What every list answers: more follows while `nextCursor` is not null. */
export interface Cursored {
  readonly nextCursor: string | null
}

/** Every page of a list, the next one asked for when the last was taken: `for await (const page of eachPage(cursor => …))`. */
export async function* eachPage<P extends Cursored>(
  load: (cursor?: string) => Promise<P>,
): AsyncGenerator<P> {
  let cursor: string | undefined
  do {
    const page = await load(cursor)
    yield page
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
}

/** Every item of a list, over all of its pages. */
export async function* eachItem<T>(
  load: (cursor?: string) => Promise<Cursored & { readonly items: readonly T[] }>,
): AsyncGenerator<T> {
  for await (const page of eachPage(load)) yield* page.items
}
