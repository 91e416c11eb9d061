using System.Globalization;

namespace Backprop.Data;

/// <summary>Where in its source a mistake was found; what is not known is null.</summary>
public readonly record struct DataPosition
{
    /// <summary>Line of a text file, from 1.</summary>
    public long? Line { get; init; }

    /// <summary>Column of a table: its name, or its number from 1 where it has none.</summary>
    public string? Column { get; init; }

    /// <summary>Byte of a binary file, from 0, after decompression.</summary>
    public long? ByteOffset { get; init; }

    /// <summary>Sample, from 0.</summary>
    public long? Sample { get; init; }

    /// <summary>For example <c>line 3, column 'age'</c>; empty where nothing is known.</summary>
    public override string ToString()
    {
        var parts = new List<string>();
        if (Line is { } line)
        {
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"line {line}"));
        }

        if (Column is { } column)
        {
            parts.Add($"column '{column}'");
        }

        if (ByteOffset is { } offset)
        {
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"byte {offset}"));
        }

        if (Sample is { } sample)
        {
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"sample {sample}"));
        }

        return string.Join(", ", parts);
    }
}

/// <summary>
/// A dataset cannot be used as it is: the one exception for bad data, whatever its format. The
/// message says where, what is wrong and what would be right.
/// </summary>
public sealed class InvalidDatasetException : Exception
{
    /// <summary>Refuses a dataset.</summary>
    /// <param name="dataset">The file, or another name of the source.</param>
    /// <param name="problem">What is wrong: <c>the file ends after 12 of 16 header bytes</c>.
    /// </param>
    /// <param name="remedy">What would be right: a sentence without its full stop.</param>
    /// <param name="position">Where in the source.</param>
    /// <param name="cause">What reported it first.</param>
    public InvalidDatasetException(
        string dataset, string problem, string remedy, DataPosition position = default,
        Exception? cause = null)
        : base(Describe(dataset, problem, remedy, position), cause)
    {
        Dataset = dataset;
        Position = position;
    }

    /// <summary>The file, or another name of the source.</summary>
    public string Dataset { get; }

    /// <summary>Where in the source.</summary>
    public DataPosition Position { get; }

    private static string Describe(
        string dataset, string problem, string remedy, DataPosition position)
    {
        string where = position.ToString();
        string place = where.Length == 0 ? dataset : $"{dataset}, {where}";
        return $"{place}: {problem}; {remedy}";
    }
}
