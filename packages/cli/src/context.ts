import type { Writable } from 'node:stream'

/** What a command gets from outside. */
export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  /** Ends what runs until it is stopped, in place of Ctrl-C. */
  readonly signal?: AbortSignal
}

/** Aborted by Ctrl-C, SIGTERM or the context's own signal, until `release` is called. */
export function untilStopped(context: Context): {
  readonly signal: AbortSignal
  stop(): void
  release(): void
} {
  const controller = new AbortController()
  const stop = () => controller.abort()
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const name of signals) process.once(name, stop)
  if (context.signal?.aborted) stop()
  context.signal?.addEventListener('abort', stop)
  return {
    signal: controller.signal,
    stop,
    release: () => {
      for (const name of signals) process.removeListener(name, stop)
      context.signal?.removeEventListener('abort', stop)
    },
  }
}
