using System.Runtime.Serialization;
using Backprop.Distributed.Persistence;
using Backprop.Training.Protocol;
using Google.Protobuf;

namespace Backprop.Distributed.Serialization;

/// <summary>The pieces that checkpoints are stored in, to the wire and back.</summary>
internal static class PieceMessages
{
    public static Wire.CheckpointPiece ToWire(CheckpointPiece piece)
    {
        Wire.CheckpointPart part = ServerMessages.ToWire(piece.Part);
        return new Wire.CheckpointPiece
        {
            Run = piece.Run.Value,
            Version = piece.Version,
            FirstBlock = part.FirstBlock,
            EndBlock = part.EndBlock,
            Sha256 = part.Sha256,
            Content = UnsafeByteOperations.UnsafeWrap(piece.Content),
        };
    }

    public static CheckpointPiece FromWire(Wire.CheckpointPiece message)
    {
        if (message.Content.Length > PieceCut.MaxPieceBytes)
        {
            throw new SerializationException(
                $"a piece of {message.Content.Length:N0} bytes, where at most"
                + $" {PieceCut.MaxPieceBytes:N0} may be");
        }

        CheckpointPart part = ServerMessages.FromWire(new Wire.CheckpointPart
        {
            FirstBlock = message.FirstBlock,
            EndBlock = message.EndBlock,
            Sha256 = message.Sha256,
        });
        return new CheckpointPiece(
            ProtocolParts.Run(message.Run), message.Version, part, message.Content.Memory);
    }

    public static Wire.FilePiece ToWire(FilePiece piece) => new()
    {
        Place = piece.Place,
        Index = piece.Index,
        Content = UnsafeByteOperations.UnsafeWrap(piece.Content),
    };

    public static FilePiece FromWire(Wire.FilePiece message) =>
        message.Content.Length <= FilePiece.MaxBytes && message.Index >= 0
            ? new FilePiece(
                WireChecks.Name(message.Place, "a file's place"), message.Index,
                message.Content.Memory)
            : throw new SerializationException(
                $"piece {message.Index} of a file, of {message.Content.Length:N0} bytes, where at"
                + $" most {FilePiece.MaxBytes:N0} may be");
}
