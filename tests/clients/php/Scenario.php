<?php

/*
 * A morning's work with ChatHub: the calls of the operators page, each checked by listing again.
 *
 * It expects the data that a new emulator has, and runs alike against ChatHub itself and against a gateway in front of
 * it, which is the point: the two transcripts must be the same.
 */

declare(strict_types=1);

namespace ChatHub;

use Closure;
use UnexpectedValueException;

/** The scenes, and what each is to show. */
final class Scenario
{
    private const ORGANIZATION = 24;
    private const NEWCOMERS = ['Alex Brown', 'Emma Davis'];
    private const EXPECTED = ['john smith', 'Nora Field', 'Ївга Петрик'];
    private const UNKNOWN_OPERATOR = 999_999;

    private readonly string $token;
    private readonly ChatHub $chathub;

    public function __construct(
        private readonly string $url,
        private readonly Transcript $transcript,
        string $login,
        string $password,
    ) {
        $this->token = ChatHub::logIn($url, $login, $password, $transcript->saw(...));
        $this->chathub = $this->with("Authorization: Bearer {$this->token}");
    }

    /** Plays all scenes, in this order: later ones count on what earlier ones added. */
    public function play(string $key): void
    {
        $this->read();
        [$first, $second] = $this->addTwo();
        $this->switch($first);
        $this->bulkImport();
        $this->count();
        $this->addOnlyMissing();
        $this->readOrganizations();
        $this->onboard($second);
        $this->beRefused();
        $this->useAWrongToken();
        $this->useTheProfileKey($key);
    }

    private function read(): void
    {
        $everyone = $this->list();
        $active = $this->chathub->activeOperators(self::ORGANIZATION);
        $isAsSeeded = count($everyone) === 3 && count($active) === 2;
        self::check($isAsSeeded, 'a new emulator lists three operators, two of them active');
        $this->transcript->result('active operators', array_column($active, 'name'));
    }

    /** @return list<int> the new ids */
    private function addTwo(): array
    {
        $added = $this->chathub->addOperators(self::ORGANIZATION, self::NEWCOMERS);
        $isInOrder = array_column($added, 'name') === self::NEWCOMERS;
        self::check($isInOrder, 'the answer names those who were added, in order');
        foreach ($added as $operator) {
            $this->checkStatus($operator['id'], Status::Active);
        }
        $found = $this->chathub->findOperator(self::ORGANIZATION, 'alex brown');
        $isFound = $found !== null && $found['id'] === $added[0]['id'];
        self::check($isFound, 'who was added is found by name, in whatever case');
        $this->transcript->result('found by name', $found);
        return array_column($added, 'id');
    }

    private function switch(int $id): void
    {
        foreach ([Status::Inactive, Status::Active, Status::Deleted] as $status) {
            $this->chathub->setStatus($id, $status);
            $this->checkStatus($id, $status);
        }
    }

    private function bulkImport(): void
    {
        $names = array_map(self::importedName(...), range(1, 250));
        $chunks = [];
        foreach ($this->chathub->importOperators(self::ORGANIZATION, $names) as $added) {
            $chunks[] = count($added);
            $unlisted = array_diff(array_column($added, 'id'), array_column($this->list(), 'id'));
            self::check($unlisted === [], 'chunk ' . count($chunks) . ' of the import is listed once it was added');
        }
        $sizes = implode(', ', $chunks);
        self::check($chunks === [100, 100, 50], "250 names are imported as 100, 100 and 50, not as {$sizes}");
        $listed = array_column($this->list(), 'name');
        self::check(array_diff($names, $listed) === [], 'every imported name is listed');
        $this->transcript->result('imported', ['chunks' => $chunks, 'listed' => count($listed)]);
    }

    private function count(): void
    {
        $statistics = $this->chathub->statistics(self::ORGANIZATION);
        self::check(
            $statistics === ['total' => 255, 'active' => 253, 'inactive' => 1, 'deleted' => 1],
            '3 seeded, 2 added and 250 imported, one inactive and one deleted; not ' . json_encode($statistics),
        );
        $this->transcript->result('statistics', $statistics);
    }

    private function addOnlyMissing(): void
    {
        $first = $this->chathub->addMissing(self::ORGANIZATION, self::EXPECTED);
        $areMissing = array_column($first, 'name') === array_slice(self::EXPECTED, 1);
        self::check($areMissing, 'only those who were missing are added');
        $second = $this->chathub->addMissing(self::ORGANIZATION, self::EXPECTED);
        self::check($second === [], 'nobody is missing the second time, yet ' . count($second) . ' were added');
        $this->transcript->result('missing added', [count($first), count($second)]);
    }

    private function readOrganizations(): void
    {
        $first = $this->chathub->organizations();
        $second = $this->chathub->organizations();
        $isListed = in_array(self::ORGANIZATION, array_column($first, 'id'), true);
        self::check($isListed, 'organization ' . self::ORGANIZATION . " is among the company's");
        self::check($first === $second, 'the organizations do not change between two reads');
    }

    private function onboard(int $id): void
    {
        $token = $this->chathub->operatorToken($id, gmdate('Y-m-d\TH:i:s\Z', time() + 8 * 3600));
        $verdict = $this->chathub->validateToken($token);
        $isValid = $verdict['isValid'] && $verdict['operatorId'] === $id;
        self::check($isValid, "the operator's new token is valid");
        $listed = $this->with("Authorization: Bearer {$token}")->listOperators(self::ORGANIZATION);
        self::check(in_array($id, array_column($listed, 'id'), true), 'an operator finds itself in its list');
    }

    private function beRefused(): void
    {
        $nameless = self::refusal(fn () => $this->chathub->addOperators(self::ORGANIZATION, [' ']))->status;
        self::check($nameless === 400, "a blank name is refused with 400, not with {$nameless}");
        $unknown = self::refusal(fn () => $this->chathub->setStatus(self::UNKNOWN_OPERATOR, Status::Inactive))->status;
        self::check($unknown === 404, "an unknown operator is answered with 404, not with {$unknown}");
        $this->transcript->result('refused', [$nameless, $unknown]);
    }

    private function useAWrongToken(): void
    {
        $stranger = $this->with("Authorization: Bearer {$this->token}x");
        $answer = self::refusal(fn () => $stranger->listOperators(self::ORGANIZATION));
        self::check($answer->status === 401, "a wrong token is answered with 401, not with {$answer->status}");
        $isTold = str_starts_with($answer->challenge ?? '', 'Bearer error="invalid_token"');
        self::check($isTold, "the challenge says what is wrong: {$answer->challenge}");
    }

    private function useTheProfileKey(string $key): void
    {
        $listed = count($this->with("X-Authorization-Key: {$key}")->listOperators(self::ORGANIZATION));
        $this->transcript->result('listed by key', $listed);
        self::check($listed === 257, "the profile key lists all 257 operators, not {$listed}");
    }

    private function with(string $credential): ChatHub
    {
        return new ChatHub($this->url, [$credential], $this->transcript->saw(...));
    }

    /** @return list<array<string, mixed>> */
    private function list(): array
    {
        return $this->chathub->listOperators(self::ORGANIZATION);
    }

    /** Lists anew and looks for the operator: what was written must show. */
    private function checkStatus(int $id, Status $status): void
    {
        $seen = array_column($this->list(), 'status', 'id')[$id] ?? 'none';
        $isShown = $seen === $status->value;
        self::check($isShown, "the list after a write shows status {$status->value}, not {$seen}");
    }

    /** The answer of a call that must fail. */
    private static function refusal(Closure $call): Answer
    {
        try {
            $call();
        } catch (Refusal $refusal) {
            return $refusal->answer ?? throw $refusal;
        }
        throw new UnexpectedValueException('the call was to be refused, and was not');
    }

    private static function importedName(int $number): string
    {
        return sprintf($number % 10 === 0 ? 'Агент %03d' : 'Agent %03d', $number);
    }

    private static function check(bool $holds, string $expectation): void
    {
        if (!$holds) {
            throw new UnexpectedValueException("expected: {$expectation}");
        }
    }
}
