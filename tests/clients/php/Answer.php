<?php

/*
 * One answer of ChatHub. Its body is parsed only where the content type says JSON: a token comes as plain text, and the
 * answer to a change of status has neither a body nor a content type.
 */

declare(strict_types=1);

namespace ChatHub;

/** What came back from one call. */
final class Answer
{
    public function __construct(
        public readonly string $method,
        public readonly string $target,
        public readonly int $status,
        public readonly ?string $contentType,
        public readonly ?string $challenge,
        public readonly mixed $body,
    ) {
    }

    /** @param array<string, string> $fields names in lower case */
    public static function read(string $method, string $target, int $status, array $fields, string $text): self
    {
        $type = $fields['content-type'] ?? null;
        $isJson = str_contains($type ?? '', 'json');
        $body = $isJson ? json_decode($text, true, flags: JSON_THROW_ON_ERROR) : $text;
        return new self($method, $target, $status, $type, $fields['www-authenticate'] ?? null, $body);
    }

    public function call(): string
    {
        return "{$this->method} {$this->target}";
    }

    /** Reads a token in any of its three shapes: as plain text, as a JSON string, in an object. */
    public function token(): string
    {
        return is_array($this->body) ? $this->body['token'] : trim($this->body);
    }
}
