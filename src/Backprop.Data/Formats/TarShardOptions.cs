using System.Collections.Immutable;

namespace Backprop.Data.Formats;

/// <summary>Samples in tar archives, named as WebDataset names them.</summary>
public sealed record TarShardOptions
{
    /// <summary>The endings that features have where nothing else is said: images.</summary>
    public static ImmutableArray<string> ImageEndings { get; } = [".png", ".jpg", ".jpeg"];

    /// <summary>One or more archives, read as one set in the order given.</summary>
    public required ImmutableArray<string> Paths { get; init; }

    /// <summary>The endings of members that hold a sample's features; each sample has one of them.
    /// One that ends in <c>.npy</c> is an array, others are images.</summary>
    public ImmutableArray<string> Features { get; init; } = ImageEndings;

    /// <summary>The ending of members that hold a sample's class.</summary>
    public string Class { get; init; } = ".cls";

    /// <summary>Whether an image is one channel, of brightness, and no three of red, green and
    /// blue.</summary>
    public bool IsGrey { get; init; }

    /// <summary>The size of every image; null: that of the first.</summary>
    public ImageSize? Size { get; init; }

    /// <summary>The classes, by index; null: numbered where members hold numbers, else the names
    /// that occur, sorted by their characters' codes.</summary>
    public ImmutableArray<string>? Classes { get; init; }

    /// <summary>Whether members with such an ending are arrays, and not images.</summary>
    public static bool IsArray(string ending) => ending.EndsWith(".npy", StringComparison.Ordinal);
}
