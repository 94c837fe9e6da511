<?php

/*
 * Prints what the client saw, one line of JSON for each answer and each result.
 *
 * Two runs of the same scenario must print the same, so what may differ between runs is replaced: tokens, dates, trace
 * ids, and the ids of new operators, which are counted from the first. Only what the client read is shown: how the
 * answer was framed on the wire, or what a gateway adds to it, is not.
 */

declare(strict_types=1);

namespace ChatHub;

/** Standard output, with one memory: the id of the first operator that was added. */
final class Transcript
{
    private const TOKEN = '/[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/';
    private const VARYING = ['expiresAt' => '<date>', 'traceId' => '<trace>'];
    private const IDS = ['id', 'operatorId'];

    private ?int $firstNewId = null;

    /** Prints an answer. */
    public function saw(Answer $answer): void
    {
        $this->learn($answer);
        $this->print([
            'saw' => $answer->call(),
            'status' => $answer->status,
            'contentType' => $answer->contentType,
            'challenge' => $answer->challenge,
            'body' => $answer->body,
        ]);
    }

    /** Prints what the scenario made of the answers. */
    public function result(string $step, mixed $value): void
    {
        $this->print(['step' => $step, 'result' => $value]);
    }

    private function learn(Answer $answer): void
    {
        if ($this->firstNewId === null && $answer->status === 200 && str_ends_with($answer->target, '/synchronize')) {
            $this->firstNewId = $answer->body[0]['id'];
        }
    }

    /** @param array<string, mixed> $members */
    private function print(array $members): void
    {
        echo json_encode($this->normalised($members), JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES), "\n";
    }

    private function normalised(mixed $value, int|string $name = ''): mixed
    {
        return match (true) {
            is_array($value) => $this->normalisedMembers($value),
            is_string($value) => self::VARYING[$name] ?? preg_replace(self::TOKEN, '<token>', $value),
            $this->isNewId($value, $name) => 'new+' . ($value - $this->firstNewId),
            default => $value,
        };
    }

    /**
     * @param  array<int|string, mixed> $members
     * @return array<int|string, mixed>
     */
    private function normalisedMembers(array $members): array
    {
        foreach ($members as $name => $member) {
            $members[$name] = $this->normalised($member, $name);
        }
        return $members;
    }

    private function isNewId(mixed $value, int|string $name): bool
    {
        return $this->firstNewId !== null && in_array($name, self::IDS, true) && $value >= $this->firstNewId;
    }
}
