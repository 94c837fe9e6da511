<?php

/*
 * The ChatHub calls of the operators page, as a PHP service makes them with the curl extension.
 *
 * Nothing here waits between calls or keeps a list: pacing and caching are the gateway's. One handle is reused
 * for all calls: a new one each time, as short samples have it, would open a connection for every call.
 */

declare(strict_types=1);

namespace ChatHub;

use Closure;
use CurlHandle;
use Generator;

/** One company's view of ChatHub, over one connection that is kept. */
final class ChatHub
{
    /** Operators in one synchronize call, as the page's sample has it. */
    private const CHUNK = 100;

    private const CONNECT_TIMEOUT_SECONDS = 5;

    /** A gateway may let a request wait for its turn. */
    private const TIMEOUT_SECONDS = 30;

    private readonly CurlHandle $curl;

    /**
     * @param list<string>          $fields  sent with every call, the credential among them
     * @param Closure(Answer): void $observe is told every answer, good or bad
     */
    public function __construct(
        private readonly string $baseUrl,
        private readonly array $fields,
        private readonly Closure $observe,
    ) {
        $this->curl = curl_init();
    }

    /** Exchanges login and password for a company token. */
    public static function logIn(string $baseUrl, string $login, string $password, Closure $observe): string
    {
        $anonymous = new self($baseUrl, [], $observe);
        return $anonymous->post('/api/company/get-token', ['login' => $login, 'password' => $password])->token();
    }

    /**
     * All operators of an organization, deleted ones too.
     *
     * @return list<array<string, mixed>>
     */
    public function listOperators(int $organizationId): array
    {
        return $this->get('/api/operator?' . http_build_query(['organizationId' => $organizationId]))->body;
    }

    /**
     * Those who can take chats.
     *
     * @return list<array<string, mixed>>
     */
    public function activeOperators(int $organizationId): array
    {
        $isActive = fn (array $operator): bool => $operator['status'] === Status::Active->value;
        return array_values(array_filter($this->listOperators($organizationId), $isActive));
    }

    /**
     * The first operator of this name, in whatever case.
     *
     * @return array<string, mixed>|null
     */
    public function findOperator(int $organizationId, string $name): ?array
    {
        foreach ($this->listOperators($organizationId) as $operator) {
            if (strcasecmp($operator['name'], $name) === 0) {
                return $operator;
            }
        }
        return null;
    }

    /**
     * Adds operators; the same name twice makes two.
     *
     * @param  list<string>               $names
     * @return list<array<string, mixed>>
     */
    public function addOperators(int $organizationId, array $names): array
    {
        $item = fn (string $name): array => ['organizationId' => $organizationId, 'name' => $name];
        return $this->post('/api/operator/synchronize', array_map($item, $names))->body;
    }

    /**
     * Adds many operators and yields each chunk as it has been added.
     *
     * @param  list<string>                          $names
     * @return Generator<list<array<string, mixed>>>
     */
    public function importOperators(int $organizationId, array $names): Generator
    {
        foreach (array_chunk($names, self::CHUNK) as $chunk) {
            yield $this->addOperators($organizationId, $chunk);
        }
    }

    /**
     * Adds those whose names are not listed yet.
     *
     * @param  list<string>               $names
     * @return list<array<string, mixed>>
     */
    public function addMissing(int $organizationId, array $names): array
    {
        $listed = array_map(strtolower(...), array_column($this->listOperators($organizationId), 'name'));
        $isMissing = fn (string $name): bool => !in_array(strtolower($name), $listed, true);
        $missing = array_values(array_filter($names, $isMissing));
        return $missing === [] ? [] : $this->addOperators($organizationId, $missing);
    }

    /** Switches an operator on or off, or deletes it. */
    public function setStatus(int $id, Status $status): void
    {
        $this->post('/api/operator/status', ['id' => $id, 'status' => $status->value]);
    }

    /**
     * How many operators there are, in all and by status.
     *
     * @return array<string, int>
     */
    public function statistics(int $organizationId): array
    {
        $statuses = array_column($this->listOperators($organizationId), 'status');
        $counts = array_count_values($statuses);
        return [
            'total' => count($statuses),
            'active' => $counts[Status::Active->value] ?? 0,
            'inactive' => $counts[Status::Inactive->value] ?? 0,
            'deleted' => $counts[Status::Deleted->value] ?? 0,
        ];
    }

    /**
     * The company's organizations.
     *
     * @return list<array<string, mixed>>
     */
    public function organizations(): array
    {
        return $this->get('/api/company/organization')->body;
    }

    /** A token for one operator, which lives for a day at most. */
    public function operatorToken(int $id, string $expiresAt): string
    {
        return $this->post('/api/operator/get-token', ['id' => $id, 'expiresAt' => $expiresAt])->token();
    }

    /**
     * The verdict on an operator's token.
     *
     * @return array<string, mixed>
     */
    public function validateToken(string $token): array
    {
        return $this->post('/api/operator/validate-token', ['token' => $token])->body;
    }

    private function get(string $target): Answer
    {
        return $this->call('GET', $target, ['Accept: text/plain'], [CURLOPT_HTTPGET => true]);
    }

    private function post(string $target, array $content): Answer
    {
        $fields = ['Accept: text/plain', 'Content-Type: application/json'];
        $json = json_encode($content, JSON_THROW_ON_ERROR);
        return $this->call('POST', $target, $fields, [CURLOPT_POST => true, CURLOPT_POSTFIELDS => $json]);
    }

    /**
     * @param list<string>      $fields
     * @param array<int, mixed> $options
     */
    private function call(string $method, string $target, array $fields, array $options): Answer
    {
        $received = [];
        curl_reset($this->curl);
        curl_setopt_array($this->curl, $options + [
            CURLOPT_URL => rtrim($this->baseUrl, '/') . $target,
            CURLOPT_HTTPHEADER => [...$this->fields, ...$fields],
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT => self::CONNECT_TIMEOUT_SECONDS,
            CURLOPT_TIMEOUT => self::TIMEOUT_SECONDS,
            CURLOPT_HEADERFUNCTION => self::collector($received),
        ]);
        $text = curl_exec($this->curl);
        if ($text === false) {
            throw new Refusal("{$method} {$target}: " . curl_error($this->curl), null);
        }
        $status = curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE);
        return $this->judge(Answer::read($method, $target, $status, $received, $text));
    }

    private function judge(Answer $answer): Answer
    {
        ($this->observe)($answer);
        if ($answer->status >= 400) {
            throw new Refusal("{$answer->call()}: answered {$answer->status}", $answer);
        }
        return $answer;
    }

    /** @param array<string, string> $received gets the answer's fields, names in lower case */
    private static function collector(array &$received): Closure
    {
        return function (CurlHandle $curl, string $line) use (&$received): int {
            if (str_contains($line, ':')) {
                [$name, $value] = explode(':', $line, 2);
                $received[strtolower($name)] = trim($value);
            }
            return strlen($line);
        };
    }
}
