using System.Collections.Immutable;
using System.Text;

namespace Backprop.Data.Formats;

/// <summary>What is written for missing values.</summary>
/// <param name="tokens">The texts.</param>
internal sealed class MissingValues(ImmutableArray<string> tokens)
{
    private readonly byte[][] _tokens =
        [.. tokens.Select(token => Encoding.UTF8.GetBytes(token))];

    /// <summary>Whether a value is one of them.</summary>
    public bool Contains(ReadOnlySpan<byte> value)
    {
        foreach (byte[] token in _tokens)
        {
            if (value.SequenceEqual(token))
            {
                return true;
            }
        }

        return false;
    }
}
