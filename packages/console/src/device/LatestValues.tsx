import type { Latest } from '@drover/protocol'
import {
  Badge,
  Box,
  Paper,
  ScrollArea,
  Skeleton,
  Stack,
  Text,
  TextInput,
  UnstyledButton,
} from '@mantine/core'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { Ago } from '../ui/time.tsx'
import { chosenMetric } from './History.tsx'
import classes from './LatestValues.module.css'
import { formatUnit, formatValue } from './values.ts'

/** With more metrics than this, the list can be searched. */
const searchFrom = 8

/** The newest value of each metric; choosing one draws it. */
export function LatestValues({ latest }: { latest: Latest | undefined }) {
  const [sought, setSought] = useState('')
  const navigate = useNavigate({ from: '/devices/$deviceId' })
  const search = useSearch({ from: '/signed-in/devices/$deviceId' })
  const metrics = Object.entries(latest?.metrics ?? {}).sort(([a], [b]) => a.localeCompare(b))
  const found = metrics.filter(([name]) => name.toLowerCase().includes(sought.toLowerCase()))
  const chosen = latest && chosenMetric(latest, search.metric)
  return (
    <Paper withBorder h="100%" component="section" aria-label="Latest values" className={classes.values}>
      {metrics.length > searchFrom && (
        <TextInput
          m="xs"
          size="xs"
          aria-label="Search metrics"
          placeholder={`Search ${metrics.length} metrics`}
          value={sought}
          onChange={(event) => setSought(event.currentTarget.value)}
        />
      )}
      <ScrollArea.Autosize mah={{ base: 240, md: 430 }} type="auto">
        <Stack gap={2} p="xs">
          {!latest && <Skeleton height={52} />}
          {found.map(([name, value]) => (
            <Value
              key={name}
              name={name}
              latest={value}
              chosen={name === chosen}
              onChoose={() => void navigate({ search: (now) => ({ ...now, metric: name }), replace: true })}
            />
          ))}
        </Stack>
      </ScrollArea.Autosize>
    </Paper>
  )
}

interface ValueProps {
  readonly name: string
  readonly latest: Latest['metrics'][string]
  readonly chosen: boolean
  readonly onChoose: () => void
}

function Value({ name, latest, chosen, onChoose }: ValueProps) {
  return (
    <UnstyledButton className={classes.value} aria-pressed={chosen} onClick={onChoose}>
      <Box miw={0} flex={1}>
        <Text size="xs" c="dimmed" truncate>
          {name}
        </Text>
        <Text fw={600} size="lg" lh={1.35} className="numbers" truncate title={JSON.stringify(latest.value)}>
          {formatValue(latest.value)}{' '}
          <Text span size="sm" fw={400} c="dimmed">
            {formatUnit(latest.unit)}
          </Text>
        </Text>
      </Box>
      <Stack gap={2} align="flex-end" justify="center">
        <Ago time={latest.time} size="xs" c="dimmed" />
        {latest.quality === 'suspect' && (
          <Badge
            size="xs"
            color="orange"
            variant="light"
            tt="none"
            title="It changed faster than is credible"
          >
            suspect
          </Badge>
        )}
      </Stack>
    </UnstyledButton>
  )
}
