import { useDebouncedCallback } from '@mantine/hooks'
import { useState } from 'react'

const restMs = 250

/** A text field that follows `value` from outside, and tells what was typed once typing rests. */
export function useTyped(value: string, onChange: (text: string) => void) {
  const [typed, setTyped] = useState(value)
  const [seen, setSeen] = useState(value)
  if (seen !== value) {
    setSeen(value)
    if (typed.trim() !== value) setTyped(value)
  }
  const tell = useDebouncedCallback(onChange, restMs)
  const type = (text: string) => {
    setTyped(text)
    tell(text.trim())
  }
  return [typed, type] as const
}
