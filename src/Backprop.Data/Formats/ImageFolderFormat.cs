using System.Buffers.Binary;
using System.Collections.Immutable;
using Backprop.Data.Storage;
using Backprop.Engine;

namespace Backprop.Data.Formats;

/// <summary>Images in folders, one folder a class.</summary>
public sealed record ImageFolderOptions
{
    /// <summary>The folder that the classes' folders are in.</summary>
    public required string Path { get; init; }

    /// <summary>Whether an image is one channel, of brightness, and no three of red, green and
    /// blue.</summary>
    public bool IsGrey { get; init; }

    /// <summary>The size of every image; null: that of the first.</summary>
    public ImageSize? Size { get; init; }

    /// <summary>The classes, by index; null: the folders' names, sorted by their characters' codes.
    /// Give a test set the classes of its training set.</summary>
    public ImmutableArray<string>? Classes { get; init; }
}

/// <summary>
/// Reads folders of PNG and JPEG files into memory, a byte a channel: class after class, and within
/// a class file after file, in the order of their names' characters. Images are of one size; none
/// is made larger or smaller.
/// </summary>
public static class ImageFolderFormat
{
    private const long MaxFileBytes = 64 << 20;

    /// <summary>Opens a folder of classes.</summary>
    /// <exception cref="InvalidDatasetException">There is no such folder, it holds something else,
    /// or an image is damaged or of another size; the message says which, and what would be right.
    /// </exception>
    public static IDataset Open(ImageFolderOptions options)
    {
        string[] folders = ClassFolders(options.Path);
        ImmutableArray<string> classes =
            options.Classes ?? [.. folders.Select(folder => Path.GetFileName(folder))];
        var files = new List<string>();
        var labels = new List<int>();
        foreach (string folder in folders)
        {
            int label = classes.IndexOf(Path.GetFileName(folder), 0, StringComparer.Ordinal);
            if (label < 0)
            {
                throw new InvalidDatasetException(
                    folder, "there is no such class",
                    $"the classes are {string.Join(", ", classes)}");
            }

            files.AddRange(ImageFiles(folder));
            labels.AddRange(Enumerable.Repeat(label, files.Count - labels.Count));
        }

        return ArrayDataset.Open(
            [(() => ReadPixels(options, files), () => LabelArray(options.Path, labels))],
            ArrayTarget.Class, classes);
    }

    /// <summary>Opens an image, or a folder of images, to predict from: the samples have no
    /// targets.</summary>
    /// <param name="options">How they are read; the path is a file, or a folder without classes.
    /// </param>
    /// <exception cref="InvalidDatasetException">As <see cref="Open"/>.</exception>
    public static IDataset OpenFeatures(ImageFolderOptions options) => ArrayDataset.OfFeatures(
        ReadPixels(
            options, Directory.Exists(options.Path) ? ImageFiles(options.Path) : [options.Path]));

    private static string[] ClassFolders(string path)
    {
        string[] entries = Entries(path);
        string[] folders = [.. entries.Where(Directory.Exists)];
        string? file = entries.FirstOrDefault(entry => !Directory.Exists(entry));
        return file is null && folders.Length > 0
            ? folders
            : throw new InvalidDatasetException(
                path, file is null
                    ? "there are no folders in it"
                    : $"beside folders there is a file in it, {Path.GetFileName(file)}",
                "give a folder with a folder for each class");
    }

    private static IReadOnlyList<string> ImageFiles(string folder)
    {
        string[] entries = Entries(folder);
        string? other = entries.FirstOrDefault(entry => !IsImage(entry));
        return other is null && entries.Length > 0
            ? entries
            : throw new InvalidDatasetException(
                other ?? folder, other is null ? "there are no images in it" : "it is no image",
                "give PNG and JPEG files, named .png, .jpg or .jpeg, and nothing else");
    }

    private static bool IsImage(string entry) => File.Exists(entry)
        && Path.GetExtension(entry).ToLowerInvariant() is ".png" or ".jpg" or ".jpeg";

    // What begins with a dot is hidden, and put there by programs rather than by people.
    private static string[] Entries(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new InvalidDatasetException(
                folder, "there is no such folder", "name a folder that is there");
        }

        try
        {
            return
            [
                .. Directory.EnumerateFileSystemEntries(folder)
                    .Where(entry => !Path.GetFileName(entry).StartsWith('.'))
                    .OrderBy(Path.GetFileName, StringComparer.Ordinal),
            ];
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new InvalidDatasetException(
                folder, $"it cannot be looked into: {e.Message}",
                "name a folder that this user may read", cause: e);
        }
    }

    private static NumericArray ReadPixels(ImageFolderOptions options, IReadOnlyList<string> files)
    {
        int channels = options.IsGrey ? 1 : 3;
        ImageSize size = options.Size ?? ImageDecoder.SizeOf(files[0], ReadFile(files[0]));
        int imageBytes = size.Height * size.Width * channels;
        ImmutableArray<int> dimensions = options.IsGrey
            ? [files.Count, size.Height, size.Width]
            : [files.Count, size.Height, size.Width, channels];
        ArrayDimensions.Require(options.Path, [.. dimensions.Select(length => (long)length)]);
        if ((long)files.Count * imageBytes > Array.MaxLength)
        {
            throw new InvalidDatasetException(
                options.Path, $"{files.Count:N0} images of {size} are too many to be held in "
                + "memory", "put them into .npy files, which are mapped");
        }

        var pixels = new byte[files.Count * imageBytes];
        for (int i = 0; i < files.Count; i++)
        {
            byte[] bytes = ReadFile(files[i]);
            ImageSize found = ImageDecoder.SizeOf(files[i], bytes);
            if (found != size)
            {
                throw new InvalidDatasetException(
                    files[i], $"its size is {found}, where "
                    + (options.Size is null ? $"{files[0]} has {size}" : $"{size} is asked for"),
                    "give images of one size; none is made larger or smaller");
            }

            ImageDecoder.Decode(
                files[i], bytes, size, channels, pixels.AsSpan(i * imageBytes, imageBytes));
        }

        return new NumericArray(
            options.Path, ElementType.UInt8, false, dimensions, new MemoryBytes(pixels), 0);
    }

    private static byte[] ReadFile(string path)
    {
        using FileStream stream = DataFile.Open(path);
        if (stream.Length > MaxFileBytes)
        {
            throw new InvalidDatasetException(
                path, $"it has {stream.Length:N0} bytes",
                $"give images of at most {MaxFileBytes:N0} bytes");
        }

        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static NumericArray LabelArray(string path, List<int> labels)
    {
        var bytes = new byte[labels.Count * sizeof(int)];
        for (int i = 0; i < labels.Count; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(i * sizeof(int)), labels[i]);
        }

        return new NumericArray(
            path, ElementType.Int32, false, [labels.Count], new MemoryBytes(bytes), 0);
    }
}
