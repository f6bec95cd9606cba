export interface WaitOptions {
  /** After this long the wait fails. Default 10 s. */
  readonly deadlineMs?: number
  /** Between two checks. Default 20 ms. */
  readonly everyMs?: number
}

/**
 * Calls `check` until it passes: until it returns something other than undefined and false without throwing.
 * Answers with what it returned; at the deadline it throws the last failure.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { deadlineMs = 10_000, everyMs = 20 }: WaitOptions = {},
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const outcome = await attempt(check)
    if (outcome.passed) return outcome.value
    if (performance.now() > deadline)
      throw new Error(`Not so within ${deadlineMs} ms: ${outcome.reason}`, { cause: outcome.error })
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

type Outcome<T> =
  | { readonly passed: true; readonly value: Exclude<T, undefined | false> }
  | { readonly passed: false; readonly reason: string; readonly error: unknown }

async function attempt<T>(check: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    const value = await check()
    if (value !== undefined && value !== false)
      return { passed: true, value: value as Exclude<T, undefined | false> }
    return { passed: false, reason: `the check gave ${String(value)}`, error: undefined }
  } catch (error) {
    return { passed: false, reason: error instanceof Error ? error.message : String(error), error }
  }
}
