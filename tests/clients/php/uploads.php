<?php

/*
 * Sends content that is long enough for curl to ask first, and tells when it was told to go on.
 *
 * With `Expect: 100-continue`, which curl adds by itself to long content, it sends the head alone and waits for an
 * interim answer before it sends the rest. If none comes within a second it goes on all the same, so a server that does
 * not know the field is slow and never wrong, and nobody sees why. Here the field is set by hand: when curl does so by
 * itself is another matter with each version.
 *
 * Each upload is made twice. Where the quota is one request, the second has to wait for its turn.
 *
 *     CHATHUB_URL=http://127.0.0.1:2430 CHATHUB_LOGIN=… CHATHUB_PASSWORD=… php uploads.php
 */

declare(strict_types=1);

use ChatHub\ChatHub;

spl_autoload_register(function (string $class): void {
    require __DIR__ . '/' . basename(strtr($class, '\\', '/')) . '.php';
});

const KIB = 1024;

/** What is sent where. Blanks after the JSON do as well as more operators would. */
function uploads(): array
{
    $base64 = str_repeat('QUJD', 400 * KIB);
    $picture = ['name' => 'cat.png', 'format' => 'image/png', 'dataBase64' => $base64, 'type' => 1];
    $operators = json_encode([['organizationId' => 24, 'name' => 'Alex Brown']]);
    return [
        'picture' => ['/api/chat/1001/message', json_encode(['textMessage' => '', 'author' => 0, 'media' => $picture])],
        'short list' => ['/api/operator/synchronize', $operators . str_repeat(' ', 64 * KIB)],
        'long list' => ['/api/operator/synchronize', $operators . str_repeat(' ', 1600 * KIB)],
    ];
}

/**
 * Makes an upload over a connection of its own, and measures in seconds.
 *
 * @return array<string, mixed> `asked` is when the interim answer came, null if none did
 */
function upload(string $url, string $token, string $content): array
{
    [$asked, $began] = [null, 0.0];
    $curl = curl_init($url);
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => $content,
        CURLOPT_HTTPHEADER => [
            "Authorization: Bearer {$token}",
            'Content-Type: application/json',
            'Expect: 100-continue',
        ],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_HEADERFUNCTION => function (CurlHandle $curl, string $line) use (&$asked, &$began): int {
            if (str_starts_with($line, 'HTTP/1.1 100')) {
                $asked ??= now() - $began;
            }
            return strlen($line);
        },
    ]);
    $began = now();
    $answer = curl_exec($curl);
    $took = now() - $began;
    if ($answer === false) {
        throw new RuntimeException(curl_error($curl));
    }
    ['http_code' => $status, 'size_upload' => $sent] = curl_getinfo($curl);
    $length = strlen($content);
    return ['status' => $status, 'asked' => $asked, 'took' => $took, 'length' => $length, 'sent' => (int) $sent];
}

function now(): float
{
    return hrtime(true) / 1e9;
}

try {
    $url = getenv('CHATHUB_URL');
    $token = ChatHub::logIn($url, getenv('CHATHUB_LOGIN'), getenv('CHATHUB_PASSWORD'), fn () => null);
    foreach (uploads() as $name => [$target, $content]) {
        foreach (['first', 'second'] as $time) {
            echo json_encode(['upload' => $name, 'time' => $time] + upload($url . $target, $token, $content)), "\n";
        }
    }
} catch (Throwable $problem) {
    fwrite(STDERR, "uploads: {$problem->getMessage()}\n");
    exit(1);
}
