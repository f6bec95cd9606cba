import { Text, type TextProps } from '@mantine/core'
import { useSyncExternalStore } from 'react'

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

/** In the reader's time zone and language. */
export function formatTime(time: string | number): string {
  return exact.format(new Date(time))
}

/** `now`, `12 s ago`, `5 min ago`, `3 h ago`, `4 d ago`. */
export function formatAgo(time: string | number, now: number): string {
  const seconds = Math.round((now - new Date(time).getTime()) / 1000)
  if (Math.abs(seconds) < 2) return 'now'
  const [amount, unit] = largestUnit(Math.abs(seconds))
  return seconds > 0 ? `${amount} ${unit} ago` : `in ${amount} ${unit}`
}

function largestUnit(seconds: number): [number, string] {
  if (seconds < 60) return [seconds, 's']
  if (seconds < 3_600) return [Math.floor(seconds / 60), 'min']
  if (seconds < 86_400) return [Math.floor(seconds / 3_600), 'h']
  return [Math.floor(seconds / 86_400), 'd']
}

/** One clock for all that shows how long ago something was. */
const clock = createClock(1_000)

function createClock(stepMs: number) {
  const listeners = new Set<() => void>()
  let now = Date.now()
  let timer: number | undefined
  const tick = () => {
    now = Date.now()
    for (const listener of listeners) listener()
  }
  return {
    subscribe(listener: () => void) {
      listeners.add(listener)
      timer ??= window.setInterval(tick, stepMs)
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        window.clearInterval(timer)
        timer = undefined
      }
    },
    now: () => now,
  }
}

/** How long ago; the exact time on hover. */
export function Ago({ time, ...rest }: TextProps & { time: string | null }) {
  const now = useSyncExternalStore(clock.subscribe, clock.now)
  if (time === null) return <Text {...rest}>never</Text>
  return (
    <Text
      {...rest}
      title={`${formatTime(time)} (${time})`}
      component="time"
      dateTime={time}
      className="numbers"
    >
      {formatAgo(time, Math.max(now, new Date(time).getTime() - 2_000))}
    </Text>
  )
}
