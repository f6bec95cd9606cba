import { Button, Tooltip } from '@mantine/core'
import { IconDownload, IconPlayerStop } from '@tabler/icons-react'
import { useRef, useState } from 'react'
import { client } from '../api/client.ts'
import { notifyFailure } from '../ui/failure.ts'
import { csvFileName, csvOf } from './csv.ts'
import type { TimeWindow } from './range.ts'

interface ExportCsvProps {
  readonly device: string
  readonly metric: string
  readonly window: TimeWindow | undefined
}

/** Saves every value of the window, however many there are; the browser keeps what came so far, and it can be stopped. */
export function ExportCsv({ device, metric, window }: ExportCsvProps) {
  const [rows, setRows] = useState<number>()
  const aborter = useRef<AbortController>(undefined)
  if (rows !== undefined)
    return (
      <Button
        size="xs"
        variant="default"
        leftSection={<IconPlayerStop size={14} />}
        onClick={() => aborter.current?.abort()}
        className="numbers"
      >
        Stop ({rows.toLocaleString()} rows)
      </Button>
    )
  const run = async () => {
    if (!window) return
    aborter.current = new AbortController()
    setRows(0)
    const { signal } = aborter.current
    await saveCsv({ device, metric, window, signal, onRows: setRows }).catch((error: Error) => {
      if (!signal.aborted) notifyFailure(error)
    })
    setRows(undefined)
  }
  return (
    <Tooltip label="Every value in this range, not only the drawn ones">
      <Button
        size="xs"
        h={28}
        variant="default"
        leftSection={<IconDownload size={14} />}
        disabled={!window}
        onClick={run}
      >
        CSV
      </Button>
    </Tooltip>
  )
}

async function saveCsv(request: Parameters<typeof csvOf>[1]): Promise<void> {
  const parts: Blob[] = []
  // Each part is a Blob of its own, so that the browser may keep it on disk and not in memory.
  for await (const text of csvOf(client, request)) parts.push(new Blob([text]))
  const url = URL.createObjectURL(new Blob(parts, { type: 'text/csv' }))
  const link = document.createElement('a')
  link.href = url
  link.download = csvFileName(request.device, request.metric, request.window)
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
