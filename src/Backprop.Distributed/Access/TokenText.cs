using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Backprop.Distributed.Access;

/// <summary>
/// How a token is written: <c>bp_ID_SECRET</c>, so that programs that look for secrets in files
/// know it, and a person can say which one it is without saying it. The identifier has 12 hex
/// digits, the secret 64: 256 random bits.
/// </summary>
public static class TokenText
{
    private const string Prefix = "bp_";
    private const int IdBytes = 6;
    private const int SecretBytes = 32;
    private const int IdLength = 2 * IdBytes;
    private const int Length = 3 + IdLength + 1 + (2 * SecretBytes);

    /// <summary>A new token.</summary>
    public static (string Id, string Text) Generate()
    {
        string id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes));
        return (id, $"{Prefix}{id}_{GenerateSecret()}");
    }

    /// <summary>A new secret: 256 random bits, in hex.</summary>
    public static string GenerateSecret() =>
        Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>Whether a text can be a secret.</summary>
    public static bool IsSecret(string text) =>
        text.Length == 2 * SecretBytes && text.All(char.IsAsciiHexDigitLower);

    /// <summary>Whether a text can be a token, and which one.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out string? id)
    {
        id = null;
        if (text.Length != Length || !text.StartsWith(Prefix, StringComparison.Ordinal)
            || text[Prefix.Length + IdLength] != '_')
        {
            return false;
        }

        string part = text.Substring(Prefix.Length, IdLength);
        if (!part.All(char.IsAsciiHexDigitLower)
            || !IsSecret(text[(Prefix.Length + IdLength + 1)..]))
        {
            return false;
        }

        id = part;
        return true;
    }

    /// <summary>What is stored in the place of a secret, in hex.</summary>
    /// <remarks>SHA-256, once, and no salt: slow hashes such as Argon2 make the few guesses costly
    /// that a password takes, and salts keep equal passwords from being seen as equal. A secret of
    /// 256 random bits is neither guessed in the age of the universe, at any price, nor ever equal
    /// to another; and a fast hash costs an attacked server nothing.</remarks>
    public static string HashOf(string secret) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    /// <summary>Whether two hashes are the same, in a time that does not tell how much of them is.
    /// </summary>
    public static bool AreEqual(string left, string right) => CryptographicOperations
        .FixedTimeEquals(Encoding.UTF8.GetBytes(left), Encoding.UTF8.GetBytes(right));
}
