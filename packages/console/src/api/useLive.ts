import { isDroverError, type LiveEvent } from '@drover/protocol'
import type { LiveOptions } from '@drover/sdk/client'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent } from 'react'
import { client } from './client.ts'
import { healthKey, sessionKey } from './queries.ts'

/** How long events are gathered before a page draws them: a busy device must not draw a thousand times a second. */
const gatherMs = 80
const gatheredMax = 5_000

/** Follows the live feed while the component is shown. `onEvents` gets what came since the last call, in order. */
export function useLive(
  { devices, types }: Pick<LiveOptions, 'devices' | 'types'>,
  onEvents: (events: readonly LiveEvent[]) => void,
): void {
  const queryClient = useQueryClient()
  const deliver = useEffectEvent(onEvents)
  const key = JSON.stringify({ devices, types })
  useEffect(() => {
    const aborter = new AbortController()
    const gather = createGatherer((events) => deliver(events), aborter.signal)
    const options: LiveOptions = {
      ...(JSON.parse(key) as LiveOptions),
      signal: aborter.signal,
      retryMsMax: 3_000,
      onState: (state, error) => {
        if (state === 'waiting' && error) void queryClient.refetchQueries({ queryKey: healthKey })
      },
    }
    follow(options, gather).catch((error: unknown) => {
      // Others, such as a device that does not exist, are told by the queries of the page.
      if (isDroverError(error, 'unauthenticated') || isDroverError(error, 'badCredentials'))
        void queryClient.invalidateQueries({ queryKey: sessionKey })
    })
    return () => aborter.abort()
  }, [key, queryClient])
}

async function follow(options: LiveOptions, gather: (event: LiveEvent) => void): Promise<void> {
  for await (const event of client.live(options)) gather(event)
}

function createGatherer(deliver: (events: LiveEvent[]) => void, signal: AbortSignal) {
  let events: LiveEvent[] = []
  let planned = false
  const flush = () => {
    const gathered = events
    events = []
    planned = false
    if (!signal.aborted) deliver(gathered)
  }
  return (event: LiveEvent) => {
    if (events.length < gatheredMax) events.push(event)
    if (planned) return
    planned = true
    setTimeout(flush, gatherMs)
  }
}
