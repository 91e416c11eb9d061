using System.Collections.Immutable;
using System.Globalization;

namespace Backprop.Data.Formats;

/// <summary>The texts of classes as they are found, in all archives of a set. Where all are whole
/// numbers they number the classes; else they are the classes' names.</summary>
internal sealed class TarClasses
{
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);

    // Where each was found first, for messages.
    private readonly List<(string Text, string Place)> _texts = [];

    /// <summary>A number for a text, from 0 in the order in which they come.</summary>
    /// <param name="text">The text; blanks around it do not count.</param>
    /// <param name="place">The member, for messages.</param>
    /// <exception cref="InvalidDatasetException">It is no text, or there are too many.</exception>
    public int NumberOf(string text, string place)
    {
        string trimmed = text.Trim();
        if (_numbers.TryGetValue(trimmed, out int number))
        {
            return number;
        }

        if (trimmed.Length == 0 || trimmed.Any(char.IsControl) || trimmed.Contains('\uFFFD'))
        {
            throw new InvalidDatasetException(
                place, "it holds no class", "write a class's number or its name, in UTF-8");
        }

        if (_texts.Count == ArrayDataset.MaxInferredClasses)
        {
            throw new InvalidDatasetException(
                place, $"there are more than {ArrayDataset.MaxInferredClasses:N0} classes",
                "give class numbers or names, and no values");
        }

        _numbers.Add(trimmed, _texts.Count);
        _texts.Add((trimmed, place));
        return _texts.Count - 1;
    }

    /// <summary>What the texts come to.</summary>
    /// <param name="given">The classes, by index; null: those that were found.</param>
    /// <returns>The classes, and for each text's number its class.</returns>
    /// <exception cref="InvalidDatasetException">A text is none of the classes.</exception>
    public (TargetSchema.Class Target, int[] Indices) Resolve(ImmutableArray<string>? given)
    {
        bool areNumbers = _texts.All(found => TryIndex(found.Text, out _));
        ImmutableArray<string> classes = given
            ?? (areNumbers ? Numbered() : [.. NameOrder.Sorted([.. _numbers.Keys])]);
        var indices = new int[_texts.Count];
        for (int i = 0; i < indices.Length; i++)
        {
            (string text, string place) = _texts[i];
            int index = areNumbers && TryIndex(text, out int number)
                ? number
                : classes.IndexOf(text, 0, StringComparer.Ordinal);
            indices[i] = index >= 0 && index < classes.Length
                ? index
                : throw new InvalidDatasetException(
                    place, $"there is no class {Quotation.Of(text)}",
                    areNumbers
                        ? $"{classes.Length} classes are numbered from 0 to {classes.Length - 1}"
                        : $"the classes are {string.Join(", ", classes)}");
        }

        return (new TargetSchema.Class(classes), indices);
    }

    private ImmutableArray<string> Numbered()
    {
        int largest = 0;
        foreach ((string text, _) in _texts)
        {
            TryIndex(text, out int index);
            largest = Math.Max(largest, index);
        }

        return
        [
            .. Enumerable.Range(0, largest + 1)
                .Select(i => i.ToString(CultureInfo.InvariantCulture)),
        ];
    }

    private static bool TryIndex(string text, out int index) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out index)
        && index < ArrayDataset.MaxInferredClasses;
}
