import type { ValueType } from '@drover/protocol'
import { ActionIcon, Button, NativeSelect, Table, Text, TextInput, Title, Tooltip } from '@mantine/core'
import { IconPlus, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import { isNumeric, type MetricDraft, type MetricErrors, metricErrors, newMetricDraft } from './draft.ts'
import classes from './MetricsTable.module.css'

/** Spelled out, because importing the list would load all schemas into the page. */
const types: readonly ValueType[] = ['number', 'integer', 'boolean', 'string', 'json', 'location']

interface MetricsTableProps {
  readonly metrics: readonly MetricDraft[]
  readonly onChange: (metrics: readonly MetricDraft[]) => void
  /** Whether missing names are shown as errors yet. */
  readonly tried: boolean
}

export function MetricsTable({ metrics, onChange, tried }: MetricsTableProps) {
  const [added, setAdded] = useState<number>()
  const add = () => {
    const metric = newMetricDraft()
    setAdded(metric.key)
    onChange([...metrics, metric])
  }
  return (
    <>
      <Title order={2} size="h4" mb={4}>
        Metrics
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        Outside the physical range a value is bad and goes to quarantine. A change faster than the rate is
        stored, and marked suspect.
      </Text>
      {metrics.length > 0 && <Rows metrics={metrics} onChange={onChange} tried={tried} added={added} />}
      <Button mt="sm" variant="light" leftSection={<IconPlus size={16} />} onClick={add}>
        Add metric
      </Button>
    </>
  )
}

function Rows({ metrics, onChange, tried, added }: MetricsTableProps & { added: number | undefined }) {
  const replace = (old: MetricDraft, changed: MetricDraft) =>
    onChange(metrics.map((metric) => (metric === old ? changed : metric)))
  return (
    <Table.ScrollContainer minWidth={740} type="native">
      <Table className={classes.table} withRowBorders={false}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th w={132}>Type</Table.Th>
            <Table.Th w={100}>Unit</Table.Th>
            <Table.Th w={105}>Smallest</Table.Th>
            <Table.Th w={105}>Largest</Table.Th>
            <Table.Th w={120}>Change a second</Table.Th>
            <Table.Th w={44} aria-label="Remove" />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {metrics.map((metric) => (
            <Row
              key={metric.key}
              metric={metric}
              autoFocus={metric.key === added}
              errors={shown(metricErrors(metric, metrics), metric, tried)}
              onChange={(changed) => replace(metric, { ...metric, ...changed })}
              onRemove={() => onChange(metrics.filter((other) => other !== metric))}
            />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function shown(errors: MetricErrors, { name }: MetricDraft, tried: boolean): MetricErrors {
  return name === '' && !tried ? { ...errors, name: undefined } : errors
}

interface RowProps {
  readonly metric: MetricDraft
  readonly errors: MetricErrors
  /** Whether it was just added. */
  readonly autoFocus: boolean
  readonly onChange: (changed: Partial<MetricDraft>) => void
  readonly onRemove: () => void
}

function Row({ metric, errors, autoFocus, onChange, onRemove }: RowProps) {
  const which = metric.name || 'new metric'
  const field = (name: 'name' | 'unit' | 'min' | 'max' | 'rate', label: string, placeholder = '') => (
    <TextInput
      aria-label={`${label} of ${which}`}
      placeholder={placeholder}
      value={metric[name]}
      onChange={(event) => onChange({ [name]: event.currentTarget.value })}
      error={name === 'unit' ? undefined : errors[name]}
      disabled={['min', 'max', 'rate'].includes(name) && !isNumeric(metric.type)}
      inputMode={['min', 'max', 'rate'].includes(name) ? 'decimal' : undefined}
      autoFocus={name === 'name' && autoFocus}
    />
  )
  return (
    <Table.Tr>
      <Table.Td>{field('name', 'Name', 'temperature')}</Table.Td>
      <Table.Td>
        <NativeSelect
          aria-label={`Type of ${which}`}
          data={[...types]}
          value={metric.type}
          onChange={(event) => onChange({ type: event.currentTarget.value as ValueType })}
        />
      </Table.Td>
      <Table.Td>{field('unit', 'Unit', 'Cel')}</Table.Td>
      <Table.Td>{field('min', 'Smallest value', '−40')}</Table.Td>
      <Table.Td>{field('max', 'Largest value', '85')}</Table.Td>
      <Table.Td>{field('rate', 'Largest change a second', '0.5')}</Table.Td>
      <Table.Td>
        <Tooltip label="Remove">
          <ActionIcon mt={4} variant="subtle" color="gray" onClick={onRemove} aria-label={`Remove ${which}`}>
            <IconTrash size={16} />
          </ActionIcon>
        </Tooltip>
      </Table.Td>
    </Table.Tr>
  )
}
