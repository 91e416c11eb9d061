using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Backprop.Data.Formats;
using Microsoft.Win32.SafeHandles;

namespace Backprop.Data.Storage;

/// <summary>A file in an archive.</summary>
/// <param name="Name">Its path in the archive.</param>
/// <param name="Offset">Where its content begins in the archive, in bytes.</param>
/// <param name="Length">Bytes of content, all of which are there.</param>
internal readonly record struct TarMember(string Name, long Offset, long Length);

/// <summary>
/// A tar archive whose members are read at random: POSIX.1-2017, pax, section "ustar Interchange
/// Format", with pax's extended headers and GNU tar's long names and numbers.
/// </summary>
/// <remarks>The base class library's reader takes as much memory as an extended header says that
/// it has; here nothing is taken that the archive does not hold. Reading is safe for several
/// threads at once. The file must not be changed while it is in use.</remarks>
internal sealed class TarArchive : IDisposable
{
    /// <summary>Headers and contents begin at multiples of so many bytes.</summary>
    public const int BlockBytes = 512;

    // Names, and attributes of file systems: GNU tar writes some hundred bytes.
    private const int MaxExtensionBytes = 1 << 16;

    // Archives are filled up to a multiple of 10 KiB, or of what the writer was told.
    private const int MaxPaddingBytes = 1 << 20;
    private const int BufferBytes = 1 << 12;

    private const int NameEnd = 100;
    private const int SizeStart = 124, SizeEnd = 136;
    private const int ChecksumStart = 148, ChecksumEnd = 156;
    private const int KindOffset = 156;
    private const int MagicStart = 257, MagicEnd = 263;
    private const int PrefixStart = 345, PrefixEnd = 500;

    private readonly SafeFileHandle _file;
    private readonly long _length;

    private TarArchive(string path, SafeFileHandle file)
    {
        Path = path;
        _file = file;
        _length = RandomAccess.GetLength(file);
    }

    /// <summary>The file, for messages.</summary>
    public string Path { get; }

    /// <summary>Opens an archive; nothing of it is looked at yet.</summary>
    /// <exception cref="InvalidDatasetException">There is no such file, it may not be read, or it
    /// is empty.</exception>
    public static TarArchive Open(string path) =>
        new(path, DataFile.OpenRandom(path));

    /// <summary>The archive's files, in its order, in one pass over the headers.</summary>
    /// <exception cref="InvalidDatasetException">It is no whole archive, or it holds something
    /// that is no file and no directory; the message says where.</exception>
    public IEnumerable<TarMember> Members()
    {
        var block = new byte[BlockBytes];
        long position = 0;
        Extension extension = default;
        while (true)
        {
            RequireBlock(position);
            Read(position, block);
            if (block.AsSpan().IndexOfAnyExcept((byte)0) < 0)
            {
                RequireEnd(position);
                yield break;
            }

            Header header = ParseHeader(block, position, extension);
            long content = position + BlockBytes;
            if (header.IsExtension)
            {
                extension = ReadExtension(header, content, extension);
            }
            else
            {
                if (header.IsFile)
                {
                    yield return new TarMember(header.Name, content, header.Length);
                }

                extension = default;
            }

            position = content + ((header.Length + BlockBytes - 1) / BlockBytes * BlockBytes);
        }
    }

    /// <summary>The name in the header that stands before a file's content: what it is called, or
    /// the beginning of it where that is long.</summary>
    /// <param name="header">The block before the content.</param>
    public static string NameIn(ReadOnlySpan<byte> header)
    {
        string name = TextOf(header[..NameEnd]);
        bool hasPrefix = header[MagicStart..MagicEnd].SequenceEqual("ustar\0"u8);
        string prefix = hasPrefix ? TextOf(header[PrefixStart..PrefixEnd]) : "";
        return prefix.Length == 0 ? name : $"{prefix}/{name}";
    }

    /// <summary>A member, for messages.</summary>
    public string PlaceOf(string name) => $"{Path}, member {Quotation.Of(name)}";

    /// <summary>Reads bytes of the archive.</summary>
    /// <exception cref="InvalidDatasetException">The file has become shorter.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(_file, destination, offset);
            if (read == 0)
            {
                throw new InvalidDatasetException(
                    Path, "the file has become shorter since it was opened",
                    "leave files alone while they are trained on",
                    new DataPosition { ByteOffset = offset });
            }

            destination = destination[read..];
            offset += read;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private Header ParseHeader(ReadOnlySpan<byte> block, long position, Extension extension)
    {
        RequireChecksum(block, position);
        char kind = (char)block[KindOffset];
        string name = extension.Name ?? NameIn(block);
        long length = extension.Length
            ?? Number(block[SizeStart..SizeEnd], position, "length", name);
        bool isExtension = kind is 'x' or 'g' or 'L' or 'K';
        bool isDirectory = kind == '5' || (kind == '\0' && name.EndsWith('/'));
        if (kind is '1' or '2')
        {
            throw Refused(
                position, name, "it is a link", "pack the files themselves, as tar -h does");
        }

        if (!isExtension && !isDirectory && kind is not ('0' or '\0' or '7'))
        {
            throw Refused(
                position, name, $"it is of kind {Quotation.Of(kind.ToString())}, no plain file",
                "pack plain files and directories, and nothing else");
        }

        // A directory has no content, whatever it says.
        length = isDirectory ? 0 : length;
        if (length > _length - position - BlockBytes)
        {
            throw Refused(
                position, name,
                $"it is said to have {length:N0} bytes, where the archive ends after "
                + $"{_length - position - BlockBytes:N0}", "give the whole archive");
        }

        if (!isExtension)
        {
            RequireName(position, name);
        }

        return new Header(kind, name, length, !isDirectory, isExtension);
    }

    private void RequireChecksum(ReadOnlySpan<byte> block, long position)
    {
        const byte Blank = (byte)' ';
        long sum = (ChecksumEnd - ChecksumStart) * Blank;
        for (int i = 0; i < block.Length; i++)
        {
            sum += i is >= ChecksumStart and < ChecksumEnd ? 0 : block[i];
        }

        if (TryNumber(block[ChecksumStart..ChecksumEnd], out long expected) && expected == sum)
        {
            return;
        }

        throw (position, block.StartsWith(DataFile.GzipMagic)) switch
        {
            (0, true) => new InvalidDatasetException(
                Path, "it is compressed, so that samples cannot be read at random",
                "decompress the archive"),
            (0, false) => new InvalidDatasetException(
                Path, "it does not begin with a tar header", "give a tar archive"),
            _ => new InvalidDatasetException(
                Path, "here should be a header, and its checksum is wrong",
                "get the archive again, or pack it anew",
                new DataPosition { ByteOffset = position }),
        };
    }

    private void RequireBlock(long position)
    {
        if (position > _length - BlockBytes)
        {
            throw new InvalidDatasetException(
                Path, $"the archive is truncated: its {_length:N0} bytes end before its end mark",
                "give the whole archive", new DataPosition { ByteOffset = position });
        }
    }

    // Archives that are appended to each other as files end at the first one's mark: what follows
    // would be lost without a word.
    private void RequireEnd(long position)
    {
        long end = Math.Min(_length, position + MaxPaddingBytes);
        var buffer = new byte[BufferBytes];
        for (long at = position; at < end; at += BufferBytes)
        {
            Span<byte> padding = buffer.AsSpan(0, (int)Math.Min(BufferBytes, end - at));
            Read(at, padding);
            int found = padding.IndexOfAnyExcept((byte)0);
            if (found >= 0)
            {
                throw Trailing(at + found);
            }
        }

        if (end < _length)
        {
            throw Trailing(end);
        }
    }

    private InvalidDatasetException Trailing(long position) => new(
        Path, "data follow the archive's end mark",
        "give archives one by one, or join them with tar --concatenate",
        new DataPosition { ByteOffset = position });

    private void RequireName(long position, string name)
    {
        if (name.Length == 0 || name[0] == '/' || name.Contains('\0')
            || name.Split('/').Contains(".."))
        {
            throw Refused(
                position, name, "it leads out of the archive, or is no name",
                "pack files by relative names without '..'");
        }
    }

    private Extension ReadExtension(Header header, long content, Extension extension)
    {
        long position = content - BlockBytes;
        if (header.Length > MaxExtensionBytes)
        {
            throw Refused(
                position, header.Name, $"its extended header has {header.Length:N0} bytes",
                $"at most {MaxExtensionBytes:N0} are read");
        }

        var bytes = new byte[header.Length];
        Read(content, bytes);
        return header.Kind switch
        {
            'L' => extension with { Name = TextOf(bytes) },
            'x' => ReadPax(bytes, position, header.Name, extension),
            _ => extension,
        };
    }

    // Records are "LENGTH KEY=VALUE\n", and the length counts itself.
    private Extension ReadPax(
        ReadOnlySpan<byte> records, long position, string name, Extension extension)
    {
        while (!records.IsEmpty)
        {
            int blank = records.IndexOf((byte)' ');
            if (blank < 0
                || !int.TryParse(
                    records[..blank], NumberStyles.None, CultureInfo.InvariantCulture,
                    out int length)
                || length > records.Length || length < blank + 2 || records[length - 1] != '\n')
            {
                throw Refused(
                    position, name, "its extended header is damaged", "pack the archive anew");
            }

            ReadOnlySpan<byte> record = records[(blank + 1)..(length - 1)];
            int sign = record.IndexOf((byte)'=');
            extension = sign < 0
                ? extension
                : WithRecord(record[..sign], record[(sign + 1)..], position, name, extension);
            records = records[length..];
        }

        return extension;
    }

    private Extension WithRecord(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, long position, string name,
        Extension extension)
    {
        if (key.StartsWith("GNU.sparse."u8))
        {
            throw Refused(
                position, name, "it is stored without its zeros", "pack it without --sparse");
        }

        if (key.SequenceEqual("path"u8))
        {
            return extension with { Name = Encoding.UTF8.GetString(value) };
        }

        if (!key.SequenceEqual("size"u8))
        {
            return extension;
        }

        return long.TryParse(
            value, NumberStyles.None, CultureInfo.InvariantCulture, out long length)
            ? extension with { Length = length }
            : throw NoNumber(position, name, "length");
    }

    private long Number(ReadOnlySpan<byte> field, long position, string what, string name) =>
        TryNumber(field, out long number) ? number : throw NoNumber(position, name, what);

    private InvalidDatasetException NoNumber(long position, string name, string what) =>
        Refused(position, name, $"its {what} is no number", "pack the archive anew");

    // Octal digits between blanks; or, as GNU tar writes what is larger, big-endian bytes after a
    // first bit that is set.
    private static bool TryNumber(ReadOnlySpan<byte> field, out long number)
    {
        const byte Binary = 0x80;
        number = 0;
        if (field[0] == Binary)
        {
            ReadOnlySpan<byte> low = field[^sizeof(long)..];
            number = BinaryPrimitives.ReadInt64BigEndian(low);
            return number >= 0 && field[1..^sizeof(long)].IndexOfAnyExcept((byte)0) < 0;
        }

        ReadOnlySpan<byte> digits = field.Trim(" \0"u8);
        foreach (byte digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7')
            {
                return false;
            }

            number = (number * 8) + (digit - '0');
        }

        return !digits.IsEmpty;
    }

    private static string TextOf(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    private InvalidDatasetException Refused(
        long position, string name, string problem, string remedy) => new(
        PlaceOf(name), problem, remedy, new DataPosition { ByteOffset = position });

    private readonly record struct Header(
        char Kind, string Name, long Length, bool IsFile, bool IsExtension);

    /// <summary>What extended headers say of the member that follows them.</summary>
    private readonly record struct Extension(string? Name, long? Length);
}
